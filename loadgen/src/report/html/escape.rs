//! Text inside of markup.
//!
//! Invariants: what comes from a server, a plan or a command line reaches a page only through [`escape`], in text and
//! in quoted attributes alike.

/// The text with everything that markup means something by replaced; what cannot be shown at all becomes U+FFFD.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() || turns(character) => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// Characters that turn the direction of what stands around them.
fn turns(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            escape("<a b='c' d=\"e\">&"),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;"
        );
        assert_eq!(escape("a\u{0}\u{1b}\u{202e}b\nc"), "a\u{fffd}\u{fffd}\u{fffd}b\nc");
    }
}
