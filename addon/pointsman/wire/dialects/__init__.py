"""The dialects there are, a folder each; `registry` knows them all, `base` says what each must have.

Files of one name have the same purpose in every folder:

    request.py         which paths, what a request asks (`RequestFacts`), what goes to the provider
    request_repair.py  what is taken out for providers that would refuse it (where there is such a thing)
    held_ids.py        ids in a request that mean something to one account
    signed_parts.py    what only its issuer accepts: signed thoughts, encrypted reasoning
    answers.py         readers of a provider's answer, streamed and whole: bytes become frames
    other_form.py      a whole answer made of a stream, and a stream of a whole answer, with all that is in it
    messages.py        the conversation of a request and the message of an answer, as sessions compare them
    control_events.py  the router's own events in a stream: keep-alive, comment, error, end marker
    errors.py          the error object, in both directions
    conversion.py      requests and answers on their way into other dialects, and out of them
    history.py         the conversation of a converted request, read and written
    valid_request.py   what is changed last in a converted request that the dialect would refuse (where needed)
    answer_writer.py   converted answers, written for clients of this dialect
    model_list.py      the form of `GET /v1/models`
    transcript.py      chats for people, in mitmweb
    demo.py            the demo provider's answers

To add one: write its folder, and add the line of its name to `config.enums.Dialect`.
"""
