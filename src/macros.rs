//! What error enums are made of.

/// Makes an error enum from its table: a line for each rule, with its section and what is wrong in words. A column more is a
/// method.
macro_rules! rules {
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $($Variant:ident, $section:literal, $value:expr, $text:literal;)*
        }
        $(#[$doc:meta])*
        $vis:vis const fn $column:ident(self) -> $Value:ty;
    ) => {
        rules! {
            $(#[$meta])*
            pub enum $Name { $($Variant, $section, $text;)* }
        }

        impl $Name {
            $(#[$doc])*
            #[must_use]
            $vis const fn $column(self) -> $Value {
                match self { $(Self::$Variant => $value,)* }
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub enum $Name:ident {
            $($Variant:ident, $section:literal, $text:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $Name {
            $(#[doc = concat!($text, " (", $section, ").")] $Variant,)*
        }

        impl $Name {
            /// Every rule there is, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$Variant,)*];

            /// The document and section that states the rule: `"RFC 6455 section 5.2"`.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$Variant => $section,)* }
            }

            /// The rule that was broken, in words.
            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$Variant => $text,)* }
            }
        }

        impl core::fmt::Display for $Name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{} ({})", self.text(), self.section())
            }
        }

        impl core::error::Error for $Name {}
    };
}

/// Makes an error of each one that it can hold.
macro_rules! holds {
    ($($Outer:ident::$Variant:ident($Inner:ty);)*) => {
        $(impl From<$Inner> for $Outer {
            fn from(inner: $Inner) -> Self {
                Self::$Variant(inner)
            }
        })*
    };
}

pub(crate) use {holds, rules};
