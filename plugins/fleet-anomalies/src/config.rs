//! The keys of the configuration, each with its default.

use ferrule_plugin::{Config, ConfigErrors, ConfigKey, Importance, Validator};

/// What the keys say.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) topic: String,
    pub(crate) dedupe_ms: i64,
    pub(crate) tolerance: i64,
    pub(crate) hold_ms: i64,
    pub(crate) idle_ms: i64,
    pub(crate) window_ms: i64,
    pub(crate) cooldown_ms: i64,
    pub(crate) deceleration: f64,
    pub(crate) velocity_delta: f64,
    pub(crate) probability_jump: f64,
    pub(crate) yaw_rate_jump: f64,
    pub(crate) warning_ratio: f64,
    pub(crate) critical_ratio: f64,
}

const TOPIC: &str = "output.topic";
const DEDUPE: &str = "dedupe.ms";
const TOLERANCE: &str = "reorder.tolerance.frames";
const HOLD: &str = "reorder.hold.ms";
const IDLE: &str = "vehicle.idle.ms";
const WINDOW: &str = "window.ms";
const COOLDOWN: &str = "cooldown.ms";
const DECELERATION: &str = "deceleration.threshold.ms2";
const VELOCITY: &str = "velocity.delta.threshold.ms";
const PROBABILITY: &str = "label.probability.jump.threshold";
const YAW_RATE: &str = "yaw.rate.jump.threshold.rads";
const WARNING: &str = "severity.warning.ratio";
const CRITICAL: &str = "severity.critical.ratio";

/// The keys, as the description has them.
pub(crate) fn keys() -> Vec<ConfigKey> {
    let topic = ConfigKey::text(TOPIC, "anomalies", "The topic of the anomalies.");
    let mut keys = vec![topic.valid(Validator::NonEmpty)];
    keys.extend(order_keys());
    keys.extend(rule_keys());
    keys.extend(severity_keys());
    keys
}

fn millis(name: &str, default: i64, documentation: &str) -> ConfigKey {
    let of_a_day = Validator::Between((1.0, 86_400_000.0));
    ConfigKey::long(name, default, documentation).valid(of_a_day)
}

/// Which frames count, and how long one is waited for.
fn order_keys() -> [ConfigKey; 4] {
    [
        millis(
            DEDUPE,
            60_000,
            "For how many milliseconds of record time an event of a vehicle counts as a duplicate \
             when it comes again.",
        ),
        ConfigKey::long(
            TOLERANCE,
            2,
            "By how many frames a frame may be behind the newest of its vehicle. Frames within \
             are put in order, frames beyond are dropped.",
        )
        .valid(Validator::Between((0.0, 9.0))),
        millis(
            HOLD,
            1_000,
            "For how many milliseconds of record time a frame waits for those before it.",
        ),
        millis(
            IDLE,
            60_000,
            "After how many milliseconds of record time without a frame the history of a vehicle \
             begins anew. So it does with another replay_session_id.",
        ),
    ]
}

/// What makes an anomaly of frames.
fn rule_keys() -> [ConfigKey; 6] {
    let threshold = |name, default, documentation: &str| {
        ConfigKey::float(name, default, documentation)
            .valid(Validator::Between((f64::MIN_POSITIVE, f64::MAX)))
            .of(Importance::High)
    };
    [
        millis(
            WINDOW,
            500,
            "The window of the rules: how many milliseconds before a frame, by event_time, count. \
             No more than the last ten frames do.",
        ),
        ConfigKey::long(
            COOLDOWN,
            10_000,
            "What a rule finds within so many milliseconds, by event_time, of the last frame in \
             which it found something of the vehicle is the same anomaly: it is told again, under \
             its id, only when its severity rises. 0: each frame is an anomaly of its own.",
        )
        .valid(Validator::Between((0.0, 86_400_000.0))),
        threshold(
            DECELERATION,
            3.0,
            "sudden_deceleration: the deceleration, in m/s², that must be exceeded.",
        ),
        threshold(
            VELOCITY,
            5.0,
            "sudden_deceleration: the loss of velocity within the window, in m/s, that must be \
             exceeded as well.",
        ),
        threshold(
            PROBABILITY,
            0.3,
            "perception_instability: the change of label_probability from one frame to the next \
             that must be exceeded.",
        ),
        threshold(
            YAW_RATE,
            0.5,
            "perception_instability: the change of yaw_rate from one frame to the next, in rad/s, \
             that must be exceeded, if that of label_probability is not.",
        ),
    ]
}

/// How grave an anomaly is.
fn severity_keys() -> [ConfigKey; 2] {
    let ratio = |name, default, documentation: &str| {
        let at_least_one = Validator::Between((1.0, f64::MAX));
        ConfigKey::float(name, default, documentation).valid(at_least_one)
    };
    [
        ratio(
            WARNING,
            1.25,
            "How many times its threshold a measure must be for WARNING; below, it is INFO.",
        ),
        ratio(
            CRITICAL,
            2.0,
            "How many times its threshold a measure must be for CRITICAL.",
        ),
    ]
}

impl Settings {
    /// Reads the keys.
    pub(crate) fn read(config: &Config) -> Result<Settings, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let settings = Settings {
            topic: errors.note(config.text(TOPIC).map(str::to_owned)),
            dedupe_ms: errors.note(config.int(DEDUPE)),
            tolerance: errors.note(config.int(TOLERANCE)),
            hold_ms: errors.note(config.int(HOLD)),
            idle_ms: errors.note(config.int(IDLE)),
            window_ms: errors.note(config.int(WINDOW)),
            cooldown_ms: errors.note(config.int(COOLDOWN)),
            deceleration: errors.note(config.float(DECELERATION)),
            velocity_delta: errors.note(config.float(VELOCITY)),
            probability_jump: errors.note(config.float(PROBABILITY)),
            yaw_rate_jump: errors.note(config.float(YAW_RATE)),
            warning_ratio: errors.note(config.float(WARNING)),
            critical_ratio: errors.note(config.float(CRITICAL)),
        };
        if errors.0.is_empty() && settings.critical_ratio < settings.warning_ratio {
            errors.0.push(ferrule_plugin::ConfigError::new(
                CRITICAL,
                format_args!("must not be less than {WARNING}"),
            ));
        }
        errors.or(settings)
    }
}
