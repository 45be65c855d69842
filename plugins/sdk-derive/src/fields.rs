//! The fields of a struct, and what `#[row(…)]` says of them.

use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, GenericArgument, Ident, LitStr, PathArguments};
use syn::{Result, Type};

/// The fields, in their order.
pub(crate) struct Fields(pub(crate) Vec<Field>);

/// What stands for a value that is absent or null.
pub(crate) enum Default {
    /// That of the type.
    OfType,
    /// This one.
    Given(Expr),
}

/// A field of the struct.
pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    /// The type, or that within its `Option`.
    pub(crate) inner: Type,
    /// Whether the type is an `Option`.
    pub(crate) optional: bool,
    /// The name of the row's field.
    pub(crate) name: String,
    pub(crate) default: Option<Default>,
    pub(crate) coerce: bool,
}

impl Fields {
    /// The fields of a struct with names.
    pub(crate) fn of(input: &DeriveInput) -> Result<Fields> {
        let Data::Struct(data) = &input.data else {
            return Err(Error::new(input.span(), "a row is a struct"));
        };
        let syn::Fields::Named(named) = &data.fields else {
            return Err(Error::new(data.fields.span(), "the fields need names"));
        };
        let fields = named
            .named
            .iter()
            .map(Field::of)
            .collect::<Result<Vec<_>>>()?;
        for (at, field) in fields.iter().enumerate() {
            if fields[..at].iter().any(|other| other.name == field.name) {
                let twice = "another field has this name in the row";
                return Err(Error::new(field.ident.span(), twice));
            }
        }
        Ok(Fields(fields))
    }
}

impl Field {
    fn of(field: &syn::Field) -> Result<Field> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "the fields need names"));
        };
        let within = within_option(&field.ty);
        let mut it = Field {
            // `r#type` is the field `type`.
            name: ident.to_string().trim_start_matches("r#").to_owned(),
            ident,
            ty: field.ty.clone(),
            inner: within.unwrap_or(&field.ty).clone(),
            optional: within.is_some(),
            default: None,
            coerce: false,
        };
        for attribute in field.attrs.iter().filter(|it| it.path().is_ident("row")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("rename") {
                    it.name = meta.value()?.parse::<LitStr>()?.value();
                } else if meta.path.is_ident("coerce") {
                    it.coerce = true;
                } else if meta.path.is_ident("default") {
                    it.default = Some(match meta.value() {
                        Ok(value) => Default::Given(value.parse()?),
                        Err(_) => Default::OfType,
                    });
                } else {
                    return Err(meta.error("known are rename, default and coerce"));
                }
                Ok(())
            })?;
        }
        if it.optional && it.default.is_some() {
            let vain = "an Option is None where there is no value: it needs no default";
            return Err(Error::new(field.span(), vain));
        }
        Ok(it)
    }
}

/// `T` of `Option<T>`.
fn within_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if last.ident == "Option" => Some(inner),
        _ => None,
    }
}
