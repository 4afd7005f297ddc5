//! Heads of HTTP/1.1 as a peer sends them, legal or not.

/// A head: its first line and its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) line: String,
    pub(crate) fields: Vec<(String, String)>,
}

/// The values of all fields with this name, in lower case, in a head.
pub(crate) fn values(head: &[u8], name: &str) -> Vec<String> {
    let head: String = head.iter().map(|byte| char::from(*byte)).collect();
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields
        .filter(|field| field.0.eq_ignore_ascii_case(name))
        .map(|field| String::from(field.1.trim()))
        .collect()
}

impl Head {
    pub(crate) fn new(line: &str, fields: &[(&str, &str)]) -> Self {
        Self {
            line: String::from(line),
            fields: fields
                .iter()
                .map(|(name, value)| (String::from(*name), String::from(*value)))
                .collect(),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|field| !field.0.eq_ignore_ascii_case(name));
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        for field in &mut self.fields {
            if field.0.eq_ignore_ascii_case(name) {
                field.1 = String::from(value);
            }
        }
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.fields.push((String::from(name), String::from(value)));
    }

    /// The bytes, one for each character: field values need not be text.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |text: &str| bytes.extend(text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')));
        put(&self.line);
        put("\r\n");
        for (name, value) in &self.fields {
            put(name);
            // A field without a name is a line that is none.
            put(if name.is_empty() { "" } else { ":" });
            put(value);
            put("\r\n");
        }
        put("\r\n");
        bytes
    }
}
