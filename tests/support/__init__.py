"""What several rooms of the tests share: a router on real sockets, and settings in one line."""
