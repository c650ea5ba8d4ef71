//! Text from people, made harmless for where it goes.

/// What stands where text was cut.
const CUT: char = '…';

/// One line: control characters and line breaks are spaces, characters without a look of their own are gone.
pub(super) fn line(text: &str, chars_max: usize) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).map(|c| if breaks(c) { ' ' } else { c }).collect();
    cut(&visible.split_whitespace().collect::<Vec<_>>().join(" "), chars_max)
}

/// One line for a chat: nothing in it begins a link, a mention or code.
pub(super) fn chat_line(text: &str, chars_max: usize) -> String {
    let plain = |c| match c {
        '<' => '‹',
        '>' => '›',
        '[' => '(',
        ']' => ')',
        '`' => '\'',
        '@' => '＠',
        other => other,
    };
    line(text, chars_max).chars().map(plain).collect()
}

/// One line of visible ASCII: accents fall, and what has no ASCII form is a question mark.
pub(super) fn ascii_line(text: &str, chars_max: usize) -> String {
    let ascii: String = line(text, usize::MAX).chars().map(ascii_form).collect();
    let ascii = ascii.trim();
    if ascii.len() <= chars_max {
        return ascii.to_owned();
    }
    let kept: String = ascii.chars().take(chars_max.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// At most so many characters, the last of them saying that there were more.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.to_owned();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain([CUT]).collect()
}

fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Direction overrides, joiners and other marks that make a text read as what it is not.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Latin letters without their marks, and typographic signs, as people would type them.
const ASCII_FORMS: [(&str, &str); 34] = [
    ("ÀÁÂÃÄÅĀĂĄ", "A"),
    ("àáâãäåāăą", "a"),
    ("ÇĆĈĊČ", "C"),
    ("çćĉċč", "c"),
    ("ĎĐÐ", "D"),
    ("ďđð", "d"),
    ("ÈÉÊËĒĔĖĘĚ", "E"),
    ("èéêëēĕėęě", "e"),
    ("ĜĞĠĢ", "G"),
    ("ĝğġģ", "g"),
    ("ÌÍÎÏĨĪĬĮİ", "I"),
    ("ìíîïĩīĭįı", "i"),
    ("ŁĹĻĽ", "L"),
    ("łĺļľ", "l"),
    ("ÑŃŅŇ", "N"),
    ("ñńņň", "n"),
    ("ÒÓÔÕÖØŌŎŐ", "O"),
    ("òóôõöøōŏő", "o"),
    ("ŔŖŘ", "R"),
    ("ŕŗř", "r"),
    ("ŚŜŞŠȘ", "S"),
    ("śŝşšș", "s"),
    ("ŢŤȚ", "T"),
    ("ţťț", "t"),
    ("ÙÚÛÜŨŪŬŮŰŲ", "U"),
    ("ùúûüũūŭůűų", "u"),
    ("ÝŶŸ", "Y"),
    ("ýŷÿ", "y"),
    ("ŹŻŽ", "Z"),
    ("źżž", "z"),
    ("‘’‚", "'"),
    ("“”„«»", "\""),
    ("‐‑‒–—−·•", "-"),
    ("×", "x"),
];

fn ascii_form(c: char) -> &'static str {
    const PRINTABLE: &str =
        " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
    let own = |c: char| PRINTABLE.find(c).and_then(|at| PRINTABLE.get(at..=at));
    match c {
        'ß' => "ss",
        'Æ' => "AE",
        'æ' => "ae",
        'Œ' => "OE",
        'œ' => "oe",
        '…' => "...",
        '€' => "EUR",
        _ => own(c)
            .or_else(|| ASCII_FORMS.iter().find(|(marked, _)| marked.contains(c)).map(|(_, plain)| *plain))
            .unwrap_or("?"),
    }
}
