//! `#[derive(FromRow)]` and `#[derive(ToRow)]`: rows as Rust structs. The traits of these names in
//! `ferrule-plugin` say what they do.

mod fields;

use fields::{Default, Fields};
use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::{DeriveInput, Lifetime, parse_macro_input, parse_quote};

/// Reads a struct from a row. Of a field, `#[row(…)]` may say:
///
/// - `rename = "name"`: the field of the row has another name;
/// - `default`, or `default = value`: what to take where it is absent or null;
/// - `coerce`: take also what reads as the type, such as the text `1.5` for a number.
///
/// A field of type `Option` may be absent or null; any other is required.
#[proc_macro_derive(FromRow, attributes(row))]
pub fn from_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, reading)
}

/// Makes a row of a struct: the shape from the types of its fields, and the values. Of a field,
/// `#[row(rename = "name")]` gives the field of the row another name.
#[proc_macro_derive(ToRow, attributes(row))]
pub fn to_row(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input, writing)
}

fn expand(input: &DeriveInput, make: fn(&DeriveInput, &Fields) -> Tokens) -> TokenStream {
    match Fields::of(input) {
        Ok(fields) => make(input, &fields).into(),
        Err(error) => error.into_compile_error().into(),
    }
}

fn reading(input: &DeriveInput, fields: &Fields) -> Tokens {
    let name = &input.ident;
    // The row lives as long as what the struct borrows of it.
    let mut generics = input.generics.clone();
    let row: Lifetime = match input.generics.lifetimes().next() {
        Some(given) => given.lifetime.clone(),
        None => {
            generics.params.insert(0, parse_quote!('row));
            parse_quote!('row)
        }
    };
    let (generics, _, _) = generics.split_for_impl();
    let (_, own, bounds) = input.generics.split_for_impl();
    let names = fields.0.iter().map(|field| &field.name);
    let values = fields.0.iter().enumerate().map(|(at, field)| {
        let (ident, name, inner) = (&field.ident, &field.name, &field.inner);
        let column = quote! { ::ferrule_plugin::Field::at(#at, #name) };
        let read = match field.coerce {
            true => quote! { row.coerced::<#inner>(#column)? },
            false => quote! { row.optional::<#inner>(#column)? },
        };
        let value = match &field.default {
            _ if field.optional => read,
            Some(Default::OfType) => quote! { #read.unwrap_or_default() },
            Some(Default::Given(given)) => quote! { #read.unwrap_or_else(|| #given) },
            None => quote! { ::ferrule_plugin::present(#name, #read)? },
        };
        quote! { #ident: #value }
    });
    quote! {
        impl #generics ::ferrule_plugin::FromRow<#row> for #name #own #bounds {
            const FIELDS: &'static [&'static str] = &[#(#names),*];

            fn from_row(row: ::ferrule_plugin::Row<#row>) -> ::ferrule_plugin::Result<Self> {
                Ok(Self { #(#values),* })
            }
        }
    }
}

fn writing(input: &DeriveInput, fields: &Fields) -> Tokens {
    let name = &input.ident;
    let (generics, own, bounds) = input.generics.split_for_impl();
    let shape = fields.0.iter().map(|field| {
        let (name, ty) = (&field.name, &field.ty);
        quote! { .of::<#ty>(#name) }
    });
    let values = fields.0.iter().map(|field| {
        let ident = &field.ident;
        quote! { ::ferrule_plugin::Value::from(self.#ident) }
    });
    let count = fields.0.len();
    quote! {
        impl #generics ::ferrule_plugin::ToRow for #name #own #bounds {
            type Values = [::ferrule_plugin::Value; #count];

            fn fields(shape: ::ferrule_plugin::RowShape) -> ::ferrule_plugin::RowShape {
                shape #(#shape)*
            }

            fn into_values(self) -> Self::Values {
                [#(#values),*]
            }
        }
    }
}
