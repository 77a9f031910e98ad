"""Any client to any provider: how one attempt crosses from its client's dialect to its provider's and back.

`codec` gives the way of an attempt; `unsupported` says which dialect cannot be asked, and why. Where both sides use one
dialect, the bytes pass. Otherwise `requests` converts a request: it is prepared (`request_prepare`), its parameters and
tools are converted by the library llm-rosetta, its conversation is read and written by the dialects (`history`), and it
is fitted to the model (`fit_model`, `schemas`). An answer is read by the provider's own reader, taken apart with the
library (`answer_reader`) into the neutral form (`ir`), and written part by part (`answer_writer`). What is particular
to one dialect stands in its own folder (`pointsman.wire.dialects`).

The library's own writing of answers is not used: it numbers blocks of Messages wrongly, leaves them open, ends items of
Responses only with the answer, and knows no answer that is cut short.
"""
