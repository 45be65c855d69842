//! Decimal numbers as texts.

use connect_api::Decimal;

use crate::Target;

pub(super) const TARGET: Target = Target {
    name: "number",
    about: "A text that is a decimal number is printed, and read again is the same",
    memory: 64,
    run: |data| {
        let Ok(text) = std::str::from_utf8(data) else {
            return;
        };
        if let Ok(number) = text.parse::<f64>() {
            let decimal = Decimal::from_f64(number);
            assert_eq!(decimal.is_some(), number.is_finite(), "{text}");
        }
        let Ok(number) = text.parse::<Decimal>() else {
            return;
        };
        let printed = number.to_string();
        let again = printed.parse::<Decimal>();
        assert!(
            again.is_ok_and(|again| again.to_string() == printed),
            "{text} is printed as {printed}"
        );
    },
};
