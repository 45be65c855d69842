"""The plugin `sensor-reading-py`: refuses impossible readings, drops those that say nothing new, and
tells the others in Fahrenheit, too.

The modules wit_world and componentize_py_types are made of wit/ by componentize-py.
"""

import struct

import system
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import plugin
from wit_world.imports import data, state

KINDS = {
    data.Value_Null: "null",
    data.Value_Boolean: "a boolean",
    data.Value_Int: "an integer",
    data.Value_Float: "a float",
    data.Value_Text: "text",
    data.Value_Bytes: "bytes",
    data.Value_Decimal: "a decimal",
    data.Value_Date: "a date",
    data.Value_Time: "a time",
    data.Value_Timestamp: "a timestamp",
    data.Value_Json: "nested data",
}

READING = data.Shape(
    "reading",
    [
        data.Field("device", data.Kind.TEXT, False),
        data.Field("celsius", data.Kind.FLOAT64, False),
        data.Field("fahrenheit", data.Kind.FLOAT64, False),
    ],
)


class Failure(Exception):
    """What makes a record an errant one; it never tells a value of the record."""

    def __init__(self, field, reason):
        self.failure = data.Failure(field, reason)


def required(pool, row, name, expected, *kinds):
    """What the value of a field holds: of a text its span."""
    for place, field in enumerate(pool.shapes[row.shape].fields, row.first):
        value = pool.values[place]
        if field.name == name and not isinstance(value, data.Value_Null):
            if isinstance(value, kinds):
                return value.value
            raise Failure(name, f"must be {expected}, not {KINDS[type(value)]}")
    raise Failure(name, "is required")


# The configuration. componentize-py makes a new Plugin for each call: what is to be there for the
# next one stands here, and what must last goes through state.
CONFIG = {}


class Plugin(exports.Plugin):
    """The plugin."""

    def describe(self):
        key = plugin.ConfigKey(
            name="max.celsius",
            kind=plugin.ConfigType.DOUBLE,
            default_value="85",
            validator=plugin.Validator_Any(),
            importance=plugin.Importance.MEDIUM,
            documentation="Readings above it are refused, in degrees Celsius.",
        )
        return plugin.Description(
            name="sensor-reading-py",
            version="0.1.0",
            documentation="Refuses readings above a limit, drops those that repeat the device's "
            "last one, and adds degrees Fahrenheit.",
            config=[key],
            reads=plugin.Parts.VALUE,
            ticks=False,
            stateful=True,
            fields=["device", "celsius"],
        )

    def configure(self, config):
        try:
            CONFIG["max.celsius"] = float(dict(config)["max.celsius"])
        except ValueError:
            raise Err([plugin.ConfigError("max.celsius", "must be a number")]) from None
        print("readings above", CONFIG["max.celsius"], "are refused")

    def apply(self, batch):
        pool = data.Pool([READING], [], [], "", b"")
        reply = data.Reply([], [], [], pool)
        # Spans count bytes.
        self.given, self.made = batch.pool.texts.encode(), bytearray()
        for record in batch.records:
            system.set_time(record.timestamp)
            try:
                reply.outcomes.append(self.outcome(batch, record.value, reply))
            except Failure as error:
                reply.outcomes.append(data.Outcome_Fail(error.failure))
        pool.texts = self.made.decode()
        return reply

    def outcome(self, batch, payload, reply):
        """What becomes of one record."""
        if not isinstance(payload, data.Payload_Row):
            raise Failure(None, "the value is not a struct or a JSON object")
        row = payload.value
        span = required(batch.pool, row, "device", "text", data.Value_Text)
        device = self.given[span.start : span.start + span.len]
        celsius = float(
            required(batch.pool, row, "celsius", "a number", data.Value_Float, data.Value_Int)
        )
        if celsius > CONFIG["max.celsius"]:
            raise Failure("celsius", "is above max.celsius")
        key = b"last\0" + device
        noted = struct.pack("<d", celsius)
        if state.get(key) == noted:
            return data.Outcome_Drop()
        try:
            state.set(key, noted, None)
        except Err:
            raise Failure(None, "the plugin's state is full") from None
        pool = reply.pool
        # The shapes of the reply follow those of the batch.
        made = data.Row(len(batch.pool.shapes), len(pool.values))
        pool.values += [
            data.Value_Text(data.Span(len(self.made), len(device))),
            data.Value_Float(celsius),
            data.Value_Float(celsius * 1.8 + 32.0),
        ]
        self.made += device
        reply.records.append(
            data.OutRecord(
                topic=None,
                timestamp=None,
                key=None,
                value=data.OutPayload_Row(made),
                headers=None,
            )
        )
        return data.Outcome_Replace(1)

    def tick(self, topic, partition, now):
        return data.Emission([], data.Pool([], [], [], "", b""))
