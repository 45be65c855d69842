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
        let Ok(printed) = number.to_plain() else {
            return;
        };
        let again = printed.parse::<Decimal>().map(|again| again.to_string());
        assert_eq!(again.as_ref(), Ok(&printed), "{text}");
    },
};
