"""An application that asks for flags, with the library that its first argument names; Deckhand's address and a token follow.
A line `KEY USER…` asks what a flag is for each of these users: the answer is a line of 0 and 1."""

import logging
import os
import sys


def unleash(address, token):
    from UnleashClient import UnleashClient

    client = UnleashClient(
        url=f"{address}/api",
        app_name="shop",
        custom_headers={"Authorization": token},
        refresh_interval=1,
        metrics_interval=1,
        cache_directory=os.environ["SCRATCH"],
    )
    client.initialize_client()
    return lambda key, user: client.is_enabled(key, {"userId": user})


def openfeature(address, token):
    from openfeature import api
    from openfeature.contrib.provider.ofrep import OFREPProvider
    from openfeature.evaluation_context import EvaluationContext

    api.set_provider(OFREPProvider(address, headers_factory=lambda: {"Authorization": f"Bearer {token}"}))
    client = api.get_client()
    return lambda key, user: client.get_boolean_value(key, False, EvaluationContext(user))


LIBRARIES = {"UnleashClient": unleash, "openfeature-provider-ofrep": openfeature}


def main():
    # While Deckhand is away, the libraries complain.
    logging.disable(logging.CRITICAL)
    library, address, token = sys.argv[1:]
    ask = LIBRARIES[library](address, token)
    print("ready", flush=True)
    for line in sys.stdin:
        key, *users = line.split()
        print("".join("1" if ask(key, user) else "0" for user in users), flush=True)
    os._exit(0)


main()
