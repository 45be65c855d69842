//! What is counted of a transform, as the worker shows it.

use connect_api::Outcome;
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::{apply, build, commands, dist, plugins_in, topic_partition};

/// The value of the metric's line that has all the parts.
fn value(text: &str, name: &str, parts: &[&str]) -> Option<f64> {
    let line = text.lines().find(|line| {
        line.starts_with(&format!("{name}{{")) && parts.iter().all(|part| line.contains(part))
    });
    line?.rsplit(' ').next()?.parse().ok()
}

#[test]
fn a_transform_shows_what_it_does_and_has() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let plugins = plugins_in(&dist());
        let mut guest = build(&plugins, "test-guest", &[]).unwrap();
        let batch = [
            "keep", "drop", "fail", "copies:3", "trap", "count", "count", "metric:5", "gauge:7",
        ];
        apply(&mut guest, &commands(&batch));
        let text = shown.render();
        let ours = [
            "connector=\"connector\"",
            "task=\"0\"",
            "transform=\"transform\"",
        ];
        let of = |name: &str| value(&text, name, &ours).unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(of("ferrule_transform_records_in_total"), 9.0);
        assert_eq!(of("ferrule_transform_records_out_total"), 8.0);
        assert_eq!(of("ferrule_transform_records_dropped_total"), 1.0);
        assert_eq!(of("ferrule_transform_records_failed_total"), 2.0);
        let panics = value(
            &text,
            "ferrule_transform_traps_total",
            &["reason=\"panic\""],
        );
        assert!(panics >= Some(1.0), "{text}");
        assert!(of("ferrule_transform_call_seconds_count") > 2.0);
        assert!(of("ferrule_transform_instances_total") >= 2.0);
        assert!(of("ferrule_transform_memory_bytes") > 65_536.0);
        assert_eq!(of("ferrule_transform_state_keys"), 1.0);
        assert_eq!(of("ferrule_transform_state_bytes"), 64.0 + 5.0 + 8.0);
        assert_eq!(of("ferrule_plugin_commands"), 5.0);
        assert_eq!(of("ferrule_plugin_level"), 7.0);

        guest.forget(&topic_partition());
        let text = shown.render();
        assert_eq!(
            value(&text, "ferrule_transform_state_keys", &ours),
            Some(0.0)
        );
        drop(guest);
        let text = shown.render();
        assert_eq!(
            value(&text, "ferrule_transform_memory_bytes", &ours),
            Some(0.0)
        );
    });
}

#[test]
fn an_instance_whose_memory_has_grown_is_replaced() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let shown = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let plugins = plugins_in(&dist());
        let mut guest = build(&plugins, "test-guest", &[]).unwrap();
        let of = |name: &str| value(&shown.render(), name, &[]).unwrap_or_default();
        let mut most = 0.0f64;
        for _ in 0..100 {
            let outcomes = apply(&mut guest, &commands(&["hoard:500000"]));
            assert!(matches!(outcomes[..], [Outcome::Keep]), "{outcomes:?}");
            most = most.max(of("ferrule_transform_memory_bytes"));
        }
        // 50 MB in all, of 16 MiB: half of them, and what one batch takes.
        assert!(most > 6e6 && most < 10e6, "{most}");
        let made = of("ferrule_transform_instances_total");
        assert!((4.0..20.0).contains(&made), "{made}");
        let traps = value(&shown.render(), "ferrule_transform_traps_total", &[]);
        assert_eq!(traps, None);
    });
}
