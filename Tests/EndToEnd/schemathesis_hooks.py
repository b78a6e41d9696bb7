"""Providers that schemathesis makes are asked for their models by the gateway: nobody but this machine may be asked."""

import re

import schemathesis

# What the description says of a base_url; what it does not allow is refused and never asked.
ALLOWED = re.compile(r"https?://[^/@:?#\\\x00-\x20\x7f-\uffff][^@?#\\\x00-\x20\x7f-\uffff]*")


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and isinstance(body.get("base_url"), str) and ALLOWED.fullmatch(body["base_url"]):
        case.body = {**body, "base_url": "http://127.0.0.1:9/v1"}
