//! Rows as Rust structs: what `#[derive(FromRow)]` and `#[derive(ToRow)]` implement.

use std::marker::PhantomData;

use crate::{Failure, OutRow, Result, Row, RowShape, Value};

pub use ferrule_plugin_derive::{FromRow, ToRow};

/// A struct that is read from a row, by [`Row::read`].
///
/// ```
/// use ferrule_plugin::{FromRow, Record};
///
/// #[derive(FromRow)]
/// struct Reading<'a> {
///     device: &'a str,
///     #[row(rename = "temp_c", coerce)]
///     celsius: f64,
///     #[row(default)]
///     retries: i64,
///     #[row(default = "unknown")]
///     site: &'a str,
///     note: Option<&'a str>,
/// }
///
/// fn warm(record: Record<'_>) -> ferrule_plugin::Result<bool> {
///     let reading: Reading<'_> = record.row()?.read()?;
///     Ok(reading.celsius > 30.0)
/// }
/// ```
///
/// Name the struct's `FIELDS` in [`crate::Transform::FIELDS`], and no name is searched for in each
/// row. A value that does not fit is a failure that names its field.
pub trait FromRow<'a>: Sized {
    /// The names of the fields in the row.
    const FIELDS: &'static [&'static str];

    /// Reads the struct.
    fn from_row(row: Row<'a>) -> Result<Self>;
}

/// The value of a field that is required.
#[doc(hidden)]
pub fn present<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Failure::at(field, "is required"))
}

/// A struct that is made a row, by [`Rows`].
pub trait ToRow {
    /// One value for each field.
    type Values: Into<Vec<Value>>;

    /// Adds the fields to a shape.
    fn fields(shape: RowShape) -> RowShape;

    /// The values, in the order of the fields.
    fn into_values(self) -> Self::Values;
}

/// Makes rows of structs. Make it once, in `configure`, and keep it.
///
/// ```
/// use ferrule_plugin::{Outcome, Rows, Timestamp, ToRow};
///
/// #[derive(ToRow)]
/// struct Average {
///     device: String,
///     #[row(rename = "window_start")]
///     start: Timestamp,
///     celsius: Option<f64>,
/// }
///
/// let rows = Rows::<Average>::named("average");
/// let average = Average { device: "d-1".into(), start: Timestamp(0), celsius: None };
/// let outcome = Outcome::replace(rows.row(average));
/// ```
#[derive(Debug)]
pub struct Rows<T> {
    shape: RowShape,
    of: PhantomData<fn(T)>,
}

impl<T: ToRow> Rows<T> {
    /// Rows whose schema has this name.
    pub fn named(schema: &str) -> Rows<T> {
        Rows {
            shape: T::fields(RowShape::new(schema)),
            of: PhantomData,
        }
    }

    /// The row of a struct.
    pub fn row(&self, value: T) -> OutRow {
        self.shape.row(value.into_values())
    }
}
