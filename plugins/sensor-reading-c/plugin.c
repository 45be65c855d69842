// The plugin `sensor-reading-c`: refuses impossible readings, drops those that say nothing new, and
// tells the others in Fahrenheit, too.
//
// transform.h and transform.c are made of wit/ by `wit-bindgen c`. Who gets a list or a string owns
// it: what is given to us we free, what we answer is freed after it has been read.

#include <stdlib.h>
#include <string.h>

#include "transform.h"

typedef transform_string_t string;
typedef ferrule_transform_data_value_t value;
typedef ferrule_transform_data_span_t span;
typedef ferrule_transform_data_pool_t pool;
typedef ferrule_transform_data_outcome_t outcome;
typedef ferrule_transform_data_shape_t shape;
typedef exports_ferrule_transform_plugin_batch_t batch;
typedef exports_ferrule_transform_plugin_reply_t reply;

// The index of none.
#define NONE ((size_t)-1)

static double max_celsius;

static string text(const char *literal) {
    string copy;
    transform_string_dup(&copy, literal);
    return copy;
}

static bool is(string s, const char *literal) {
    return s.len == strlen(literal) && memcmp(s.ptr, literal, s.len) == 0;
}

static void *zeroed(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    // Out of memory: the worker finds the records that are too much.
    if (!memory) __builtin_trap();
    return memory;
}

// ---- What the plugin is ----------------------------------------------------------------------

void exports_ferrule_transform_plugin_describe(
    exports_ferrule_transform_plugin_description_t *ret) {
    memset(ret, 0, sizeof *ret);
    ret->name = text("sensor-reading-c");
    ret->version = text("0.1.0");
    ret->documentation = text("Refuses readings above a limit, drops those that repeat the device's "
                              "last one, and adds degrees Fahrenheit.");
    ret->reads = EXPORTS_FERRULE_TRANSFORM_PLUGIN_PARTS_VALUE;
    ret->stateful = true;
    exports_ferrule_transform_plugin_config_key_t *key = zeroed(1, sizeof *key);
    key->name = text("max.celsius");
    key->kind = EXPORTS_FERRULE_TRANSFORM_PLUGIN_CONFIG_TYPE_DOUBLE;
    key->default_value.is_some = true;
    key->default_value.val = text("85");
    key->validator.tag = EXPORTS_FERRULE_TRANSFORM_PLUGIN_VALIDATOR_ANY;
    key->importance = EXPORTS_FERRULE_TRANSFORM_PLUGIN_IMPORTANCE_MEDIUM;
    key->documentation = text("Readings above it are refused, in degrees Celsius.");
    ret->config.ptr = key;
    ret->config.len = 1;
    string *fields = zeroed(2, sizeof *fields);
    fields[0] = text("device");
    fields[1] = text("celsius");
    ret->fields.is_some = true;
    ret->fields.val.ptr = fields;
    ret->fields.val.len = 2;
}

// A decimal number in plain notation. strtod would bring a library of long doubles along.
static bool number(string s, double *result) {
    size_t at = 0, digits = 0;
    bool negative = s.len > 0 && s.ptr[0] == '-';
    double whole = 0, scale = 1;
    if (negative) at++;
    for (bool point = false; at < s.len; at++) {
        if (s.ptr[at] == '.' && !point) {
            point = true;
        } else if (s.ptr[at] >= '0' && s.ptr[at] <= '9') {
            whole = whole * 10 + (s.ptr[at] - '0');
            if (point) scale *= 10;
            digits++;
        } else {
            return false;
        }
    }
    *result = (negative ? -whole : whole) / scale;
    return digits > 0;
}

bool exports_ferrule_transform_plugin_configure(
    transform_list_tuple2_string_string_t *config,
    exports_ferrule_transform_plugin_list_config_error_t *err) {
    bool good = false;
    for (size_t i = 0; i < config->len; i++) {
        if (is(config->ptr[i].f0, "max.celsius")) good = number(config->ptr[i].f1, &max_celsius);
    }
    transform_list_tuple2_string_string_free(config);
    if (good) return true;
    err->ptr = zeroed(1, sizeof *err->ptr);
    err->len = 1;
    err->ptr[0].key = text("max.celsius");
    err->ptr[0].message = text("must be a number");
    return false;
}

// ---- What becomes of a record ----------------------------------------------------------------

static outcome fail(const char *field, const char *reason) {
    outcome failed;
    memset(&failed, 0, sizeof failed);
    failed.tag = FERRULE_TRANSFORM_DATA_OUTCOME_FAIL;
    if (field) {
        failed.val.fail.field.is_some = true;
        failed.val.fail.field.val = text(field);
    }
    failed.val.fail.reason = text(reason);
    return failed;
}

static const char *const KINDS[] = {
    "null", "a boolean", "an integer", "a float", "text",     "bytes",
    "a decimal", "a date", "a time", "a timestamp", "nested data",
};

static outcome mismatch(const char *field, const char *expected, const value *found) {
    char reason[64] = "must be ";
    strcat(strcat(strcat(reason, expected), ", not "), KINDS[found->tag]);
    return fail(field, reason);
}

static size_t place(const shape *of, const char *name) {
    for (size_t i = 0; i < of->fields.len; i++) {
        if (is(of->fields.ptr[i].name, name)) return i;
    }
    return NONE;
}

// The value of a field; a null pointer if it is absent or null.
static const value *field(const pool *in, const ferrule_transform_data_row_t *row,
                          const char *name) {
    size_t at = place(&in->shapes.ptr[row->shape], name);
    if (at == NONE) return NULL;
    const value *found = &in->values.ptr[row->first + at];
    return found->tag == FERRULE_TRANSFORM_DATA_VALUE_NULL ? NULL : found;
}

// The text that a span of a pool is; it belongs to the pool.
static string text_of(const pool *in, span part) {
    string found = {in->texts.ptr + part.start, part.len};
    return found;
}

// Whether the device's last reading was this one, and if not, notes it.
static bool repeated(string device, double celsius, bool *full) {
    transform_list_u8_t key, noted = {(uint8_t *)&celsius, sizeof celsius}, last;
    key.len = 5 + device.len;
    key.ptr = zeroed(key.len, 1);
    memcpy(key.ptr, "last", 5);
    memcpy(key.ptr + 5, device.ptr, device.len);
    bool same = ferrule_transform_state_get(&key, &last);
    if (same) {
        same = last.len == sizeof celsius && memcmp(last.ptr, &celsius, sizeof celsius) == 0;
        transform_list_u8_free(&last);
    }
    ferrule_transform_state_error_t error;
    *full = !same && !ferrule_transform_state_set(&key, &noted, NULL, &error);
    free(key.ptr);
    return same;
}

// Replaces the record by the row of a reading, of the first shape that the reply adds. The reply has
// room for one from each record.
static outcome checked(const batch *in, reply *out, string device, double celsius) {
    pool *made = &out->pool;
    span name = {(uint32_t)made->texts.len, (uint32_t)device.len};
    memcpy(made->texts.ptr + name.start, device.ptr, device.len);
    made->texts.len += device.len;
    uint32_t first = (uint32_t)made->values.len;
    value *values = made->values.ptr + first;
    made->values.len += 3;
    values[0].tag = FERRULE_TRANSFORM_DATA_VALUE_TEXT;
    values[0].val.text = name;
    values[1].tag = values[2].tag = FERRULE_TRANSFORM_DATA_VALUE_FLOAT;
    values[1].val.float_ = celsius;
    values[2].val.float_ = celsius * 1.8 + 32.0;
    ferrule_transform_data_out_record_t *record = &out->records.ptr[out->records.len++];
    record->value.is_some = true;
    record->value.val.tag = FERRULE_TRANSFORM_DATA_OUT_PAYLOAD_ROW;
    record->value.val.val.row.shape = (uint32_t)in->pool.shapes.len;
    record->value.val.val.row.first = first;
    outcome replaced;
    memset(&replaced, 0, sizeof replaced);
    replaced.tag = FERRULE_TRANSFORM_DATA_OUTCOME_REPLACE;
    replaced.val.replace = 1;
    return replaced;
}

static outcome apply(const batch *in, const ferrule_transform_data_payload_t *payload, reply *out) {
    if (payload->tag != FERRULE_TRANSFORM_DATA_PAYLOAD_ROW) {
        return fail(NULL, "the value is not a struct or a JSON object");
    }
    const ferrule_transform_data_row_t *row = &payload->val.row;
    const value *device = field(&in->pool, row, "device");
    if (!device) return fail("device", "is required");
    if (device->tag != FERRULE_TRANSFORM_DATA_VALUE_TEXT) return mismatch("device", "text", device);
    const value *reading = field(&in->pool, row, "celsius");
    if (!reading) return fail("celsius", "is required");
    double celsius;
    if (reading->tag == FERRULE_TRANSFORM_DATA_VALUE_FLOAT) {
        celsius = reading->val.float_;
    } else if (reading->tag == FERRULE_TRANSFORM_DATA_VALUE_INT) {
        celsius = (double)reading->val.int_;
    } else {
        return mismatch("celsius", "a number", reading);
    }
    if (celsius > max_celsius) return fail("celsius", "is above max.celsius");
    bool full;
    string name = text_of(&in->pool, device->val.text);
    if (repeated(name, celsius, &full)) {
        outcome dropped = {.tag = FERRULE_TRANSFORM_DATA_OUTCOME_DROP};
        return dropped;
    }
    if (full) return fail(NULL, "the plugin's state is full");
    return checked(in, out, name, celsius);
}

static void new_shape(shape *made) {
    static const char *const NAMES[] = {"device", "celsius", "fahrenheit"};
    made->name.is_some = true;
    made->name.val = text("reading");
    made->fields.ptr = zeroed(3, sizeof *made->fields.ptr);
    made->fields.len = 3;
    for (size_t i = 0; i < 3; i++) {
        made->fields.ptr[i].name = text(NAMES[i]);
        made->fields.ptr[i].kind =
            i == 0 ? FERRULE_TRANSFORM_DATA_KIND_TEXT : FERRULE_TRANSFORM_DATA_KIND_FLOAT64;
    }
}

void exports_ferrule_transform_plugin_apply(batch *in, reply *out) {
    size_t records = in->records.len;
    memset(out, 0, sizeof *out);
    out->pool.shapes.ptr = zeroed(1, sizeof *out->pool.shapes.ptr);
    out->pool.shapes.len = 1;
    new_shape(out->pool.shapes.ptr);
    out->records.ptr = zeroed(records, sizeof *out->records.ptr);
    out->pool.values.ptr = zeroed(3 * records, sizeof *out->pool.values.ptr);
    // A record has one device at most, and all of them stand in the batch.
    out->pool.texts.ptr = zeroed(in->pool.texts.len, 1);
    out->outcomes.len = records;
    out->outcomes.ptr = zeroed(records, sizeof *out->outcomes.ptr);
    for (size_t i = 0; i < records; i++) {
        out->outcomes.ptr[i] = apply(in, &in->records.ptr[i].value, out);
    }
    ferrule_transform_data_batch_free(in);
}

void exports_ferrule_transform_plugin_tick(
    transform_string_t *topic, int32_t partition,
    exports_ferrule_transform_plugin_epoch_millis_t now,
    exports_ferrule_transform_plugin_emission_t *ret) {
    (void)partition;
    (void)now;
    transform_string_free(topic);
    memset(ret, 0, sizeof *ret);
}
