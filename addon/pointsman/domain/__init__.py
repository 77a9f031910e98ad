"""What exchange and routing share: targets, failures, records, the request to a provider. Plain values;
nothing here imports either of them.
"""
