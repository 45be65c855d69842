//! The types of columns that this sink can encode, and how they are told from the catalog.

use std::sync::Arc;

/// The first object identifier that Postgres gives to types of extensions and users
/// (`FirstNormalObjectId`).
const FIRST_OWN: i64 = 16_384;

/// A type that this sink can encode, domains resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    /// numeric; its limits, where the column has them.
    Numeric(Option<NumericLimits>),
    /// text, varchar, char and citext; the limit is in characters.
    Text(Option<usize>),
    Name,
    Bytea,
    Json,
    Jsonb,
    /// timestamptz, with the digits of a second that the column keeps.
    Timestamptz(u8),
    /// As Timestamptz.
    Timestamp(u8),
    Date,
    /// As Timestamptz.
    Time(u8),
    /// As Timestamptz.
    Timetz(u8),
    /// As Timestamptz.
    Interval(u8),
    Uuid,
    Inet,
    Cidr,
    Macaddr,
    Macaddr8,
    /// bit(n): exactly so many bits.
    Bit(usize),
    /// bit varying: at most so many.
    Varbit(Option<usize>),
    Enum(Arc<[String]>),
    Xml,
    Hstore,
    /// Types whose binary form is the number of its version and their text: jsonpath, ltree.
    Versioned,
    /// A type without a binary form that is known here: its text goes through a staging table.
    Input(Form),
    /// pgvector's types: as [`Type::Input`], and arrays of numbers.
    Vector,
    /// The type of the elements and its object identifier.
    Array(Box<Type>, u32),
    Unsupported,
}

/// The limits of `numeric(precision, scale)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumericLimits {
    /// Digits in all.
    pub precision: i32,
    /// Digits after the point; Postgres also has negative ones.
    pub scale: i32,
}

/// What a type of [`Type::Input`] takes besides texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// Debezium's points.
    Point,
    /// Debezium's geometries, which have PostGIS's bytes.
    Geometry,
    /// Debezium's vectors of which most dimensions are zero.
    Sparse,
}

/// What the catalog says of a type.
pub(super) struct Named<'a> {
    pub name: &'a str,
    /// `pg_type.typtype`.
    pub kind: &'a str,
    pub number: i64,
    /// As the type's own input functions pack it.
    pub typmod: i32,
}

impl Type {
    pub(super) fn of(named: &Named<'_>, labels: Option<&Arc<[String]>>) -> Self {
        match (labels, named.kind) {
            (Some(labels), _) => Self::Enum(Arc::clone(labels)),
            (None, "b") => Self::base(named),
            // Ranges and multiranges.
            (None, "r" | "m") => Self::Input(Form::Text),
            _ => Self::Unsupported,
        }
    }

    fn base(named: &Named<'_>) -> Self {
        let typmod = named.typmod;
        match named.name {
            "bool" => Self::Bool,
            "int2" => Self::Int2,
            "int4" => Self::Int4,
            "int8" => Self::Int8,
            "float4" => Self::Float4,
            "float8" => Self::Float8,
            "numeric" if typmod < 4 => Self::Numeric(None),
            "numeric" => {
                let packed = typmod - 4;
                // The scale is eleven bits and a sign.
                let scale = ((packed & 0x7ff) ^ 1024) - 1024;
                Self::Numeric(Some(NumericLimits {
                    precision: (packed >> 16) & 0xffff,
                    scale,
                }))
            }
            "varchar" | "bpchar" => Self::Text(usize::try_from(typmod - 4).ok()),
            "text" | "citext" => Self::Text(None),
            "name" => Self::Name,
            "bytea" => Self::Bytea,
            "json" => Self::Json,
            "jsonb" => Self::Jsonb,
            "uuid" => Self::Uuid,
            "inet" => Self::Inet,
            "cidr" => Self::Cidr,
            "macaddr" => Self::Macaddr,
            "macaddr8" => Self::Macaddr8,
            "bit" => usize::try_from(typmod).map_or(Self::Unsupported, Self::Bit),
            "varbit" => Self::Varbit(usize::try_from(typmod).ok()),
            "xml" => Self::Xml,
            "hstore" if named.number >= FIRST_OWN => Self::Hstore,
            "jsonpath" => Self::Versioned,
            "ltree" | "lquery" | "ltxtquery" if named.number >= FIRST_OWN => Self::Versioned,
            "vector" | "halfvec" if named.number >= FIRST_OWN => Self::Vector,
            name => Self::temporal(name, typmod).unwrap_or_else(|| Self::input(named)),
        }
    }

    fn temporal(name: &str, typmod: i32) -> Option<Self> {
        let digits = match u8::try_from(typmod) {
            Ok(digits) if digits < 6 => digits,
            _ => 6,
        };
        Some(match name {
            "timestamptz" => Self::Timestamptz(digits),
            "timestamp" => Self::Timestamp(digits),
            "date" => Self::Date,
            "time" => Self::Time(digits),
            "timetz" => Self::Timetz(digits),
            "interval" => interval(typmod),
            _ => return None,
        })
    }

    /// Types whose input function reads a text without changing it. Other types of the server are
    /// not for data, or round what they read, as `money` does.
    fn input(named: &Named<'_>) -> Self {
        let reads = matches!(
            named.name,
            "line"
                | "lseg"
                | "box"
                | "path"
                | "polygon"
                | "circle"
                | "tsvector"
                | "tsquery"
                | "pg_lsn"
        );
        let is_own = named.number >= FIRST_OWN;
        match named.name {
            "point" if !is_own => Self::Input(Form::Point),
            "geometry" | "geography" if is_own => Self::Input(Form::Geometry),
            "sparsevec" if is_own => Self::Input(Form::Sparse),
            _ if reads || is_own => Self::Input(Form::Text),
            _ => Self::Unsupported,
        }
    }
}

/// An interval with some fields only, such as `interval year to month`, is not supported: it drops
/// the other fields silently.
fn interval(typmod: i32) -> Type {
    const ALL_FIELDS: i32 = 0x7fff;
    const ALL_DIGITS: i32 = 0xffff;
    if typmod < 0 {
        return Type::Interval(6);
    }
    match (typmod >> 16, typmod & 0xffff) {
        (ALL_FIELDS, ALL_DIGITS) => Type::Interval(6),
        (ALL_FIELDS, digits) => Type::Interval(u8::try_from(digits).map_or(6, |d| d.min(6))),
        _ => Type::Unsupported,
    }
}
