#!/usr/bin/python3
"""Somebody on IRC, on Debian's python3-irc: says what it reads, and writes what it hears.

people.py HOST PORT NICK PASSWORD CHANNEL [CERTIFICATE]; a password of - is for somebody without an account, and with a
certificate, in a file that holds its key, too, the port is one with TLS. Each line of the input is `TARGET words`; each line
of the output `FROM TARGET words`.
"""

import ssl
import sys
import threading
import time

import irc.client
import irc.connection

host, port, nick, password, channel, *certificate = sys.argv[1:]
reactor = irc.client.IRC()
connection = reactor.server()
# The channel, once it was joined: services may be away after that.
known = []


def tell(words):
    print(words, flush=True)


def welcome(connection, event):
    if password == "-" or known:
        return connection.join(channel)
    # The first time there is no such account yet; after that there is.
    connection.privmsg("NickServ", f"REGISTER {password} {nick}@irc.test")
    connection.privmsg("NickServ", f"IDENTIFY {nick} {password}")


def heard(connection, event):
    words = event.arguments[0]
    tell(f"{event.source.nick} {event.target} {words}")
    if "registered to" in words or "now identified" in words or "now logged in" in words:
        connection.join(channel)


def joined(connection, event):
    if event.source.nick == nick:
        known.append(channel)
        tell(f"{nick} joined")


def way():
    if not certificate:
        return irc.connection.Factory()
    context = ssl.create_default_context()
    # Whom we talk to is not what is tried here.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(certificate[0])
    return irc.connection.Factory(wrapper=context.wrap_socket)


def connect():
    while not connection.is_connected():
        try:
            connection.connect(host, int(port), nick, connect_factory=way())
        except irc.client.ServerConnectionError:
            time.sleep(0.2)


def gone(connection, event):
    tell(f"{nick} lost")
    connect()


def read():
    for line in sys.stdin:
        target, words = line.rstrip("\n").split(" ", 1)
        connection.privmsg(target, words)


for name, what in {"welcome": welcome, "privnotice": heard, "privmsg": heard, "pubmsg": heard, "join": joined,
                   "disconnect": gone}.items():
    connection.add_global_handler(name, what)
connect()
threading.Thread(target=read, daemon=True).start()
reactor.process_forever(0.1)
