"""The plugin `sensor-reading-py`: refuses impossible readings, drops those that say nothing new, and
tells the others in Fahrenheit, too.

The modules wit_world and componentize_py_types are made of wit/ by componentize-py.
"""

import struct

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


def required(batch, row, name, expected, *kinds):
    """The value of a field."""
    for field, value in zip(batch.shapes[row.shape].fields, row.values):
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

    def apply(self, batch):
        outcomes = []
        for record in batch.records:
            try:
                outcomes.append(self.outcome(batch, record.value))
            except Failure as error:
                outcomes.append(data.Outcome_Fail(error.failure))
        return data.Reply([READING], outcomes)

    def outcome(self, batch, payload):
        """What becomes of one record."""
        if not isinstance(payload, data.Payload_Row):
            raise Failure(None, "the value is not a struct or a JSON object")
        row = payload.value
        device = required(batch, row, "device", "text", data.Value_Text)
        celsius = float(
            required(batch, row, "celsius", "a number", data.Value_Float, data.Value_Int)
        )
        if celsius > CONFIG["max.celsius"]:
            raise Failure("celsius", "is above max.celsius")
        key = b"last\0" + device.encode()
        noted = struct.pack("<d", celsius)
        if state.get(key) == noted:
            return data.Outcome_Drop()
        try:
            state.set(key, noted, None)
        except Err:
            raise Failure(None, "the plugin's state is full") from None
        values = [
            data.Value_Text(device),
            data.Value_Float(celsius),
            data.Value_Float(celsius * 1.8 + 32.0),
        ]
        made = data.OutRecord(
            topic=None,
            timestamp=None,
            key=None,
            # The shapes of the reply follow those of the batch.
            value=data.OutPayload_Row(data.Row(len(batch.shapes), values)),
            headers=None,
        )
        return data.Outcome_Replace([made])

    def tick(self, topic, partition, now):
        return data.Emission([], [])
