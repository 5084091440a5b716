"""Paho Python 1.6 (Debian), led by lines on its input: see lib/puppet.mjs."""

import queue
import ssl
import sys
import threading
from urllib.parse import urlparse

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

url, ca, client_id, username, password, version = sys.argv[1:7]
version = int(version)
where = urlparse(url)
output = threading.Lock()
events = queue.Queue()


def say(*fields):
    with output:
        print(*fields, sep="\t", flush=True)


def make_client(resume):
    options = {} if version == 5 else {"clean_session": not resume}
    client = mqtt.Client(
        client_id=client_id,
        protocol=version,
        transport="websockets" if where.scheme.startswith("ws") else "tcp",
        **options,
    )
    client.username_pw_set(username, password)
    if where.scheme in ("mqtts", "wss"):
        client.tls_set(ca_certs=ca, tls_version=ssl.PROTOCOL_TLS_CLIENT)
    if where.path:
        client.ws_set_options(path=where.path)
    client.max_inflight_messages_set(1000)
    client.on_connect = lambda c, data, flags, code, *more: events.put(
        ("connected", flags["session present"], int(getattr(code, "value", code))))
    client.on_subscribe = lambda c, data, mid, granted, *more: events.put(
        ("subscribed", int(getattr(granted[0], "value", granted[0]))))
    client.on_publish = lambda c, data, mid: events.put(("published", mid))
    client.on_disconnect = lambda c, data, code, *more: events.put(("disconnected", code))
    client.on_message = lambda c, data, message: say(
        "message", message.qos, message.topic, message.payload.decode())
    return client


def next_event(kind):
    event = events.get(timeout=30)
    if event[0] != kind:
        raise RuntimeError(f"{event} instead of {kind}")
    return event


class Commands:
    client = None

    def connect(self, resume):
        self.client = make_client(resume == "1")
        options = {}
        if version == 5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 300 if resume == "1" else 0
            options = {"clean_start": resume != "1", "properties": properties}
        self.client.connect(where.hostname, where.port, keepalive=60, **options)
        self.client.loop_start()
        _, present, code = next_event("connected")
        if code != 0:
            raise RuntimeError(f"CONNACK {code}")
        return "connected", int(present)

    def subscribe(self, topic_filter, qos):
        self.client.subscribe(topic_filter, int(qos))
        return "subscribed", next_event("subscribed")[1]

    def publish(self, topic, qos, prefix, count):
        for i in range(int(count)):
            self.client.publish(topic, f"{prefix}-{i}", int(qos))
        for _ in range(int(count)):
            next_event("published")
        return "published", count

    def disconnect(self):
        self.client.disconnect()
        next_event("disconnected")
        self.client.loop_stop()
        return ("disconnected",)


commands = Commands()
for line in sys.stdin:
    verb, *arguments = line.rstrip("\n").split("\t")
    try:
        say(*getattr(commands, verb)(*arguments))
    except Exception as error:  # whatever the library throws is the answer
        say("failed", repr(error))
