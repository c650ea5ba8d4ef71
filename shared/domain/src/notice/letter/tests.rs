//! The forms of a letter, and hostile names in each.

use super::*;

const HOSTILE: [&str; 9] = [
    "a\r\nBcc: everybody@example.com",
    "line\u{2028}break\u{85}and\u{0}nul",
    "gnp.\u{202e}exe\u{200b}\u{feff}",
    "<!channel> <https://evil.example|click> [x](https://evil.example) @here `rm`",
    "\"}],\"https\":\"x",
    "$(reboot) ' OR 1=1 --",
    "=HYPERLINK(\"https://evil.example\")",
    "日本語のワークロード",
    "   ",
];

fn thread(id: &EventId) -> Thread<'_> {
    Thread { event_id: id, event_type: "card.opened", aggregate: "CARD#crd_1" }
}

fn letter(name: &str) -> Letter {
    Letter {
        headline: format!("Spend card to sign: {name}"),
        what: "The week's card is there.".to_owned(),
        facts: vec![Fact { label: "Workload", value: name.to_owned() }],
        next: vec![NextStep { what: "Sign it", call: "POST /v1/spend-cards/crd_1/approve".to_owned() }],
    }
}

#[test]
fn a_letter_says_what_happened_what_it_is_about_and_what_to_do() {
    let id = EventId::derived("CARD#crd_1.1");
    assert_eq!(render_subject(&letter("Über-Café – Zoë’s")), "Spend card to sign: Uber-Cafe - Zoe's");
    assert_eq!(
        render_text(&letter("Checkout"), thread(&id)),
        "Spend card to sign: Checkout\n\nThe week's card is there.\n\nWorkload: Checkout\n\nWhat to do next\n\
         - Sign it: POST /v1/spend-cards/crd_1/approve\n\nNotice evt_CARD-crd_1.1 (card.opened)\n"
    );
}

#[test]
fn a_subject_is_one_line_of_ascii_that_sns_takes_whatever_the_name() {
    let long = "ü".repeat(500);
    for name in HOSTILE.iter().copied().chain([long.as_str(), ""]) {
        let subject = render_subject(&letter(name));
        assert!(subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{subject:?}");
        assert!((1..=SUBJECT_CHARS_MAX).contains(&subject.len()), "{subject:?}");
        assert!(!subject.starts_with(' ') && !subject.ends_with(' '), "{subject:?}");
    }
    assert_eq!(render_subject(&Letter { headline: "\u{200b}\n".to_owned(), ..Letter::default() }), "FinOps Center");
    assert!(render_subject(&letter(&long)).ends_with("uu..."));
}

#[test]
fn no_name_adds_a_line_to_the_text_or_a_field_or_a_link_to_the_chat() -> Result<(), serde_json::Error> {
    let id = EventId::derived("CARD#crd_1.1");
    let lines = render_text(&letter("plain"), thread(&id)).lines().count();
    for name in HOSTILE {
        let letter = letter(name);
        let text = render_text(&letter, thread(&id));
        assert_eq!(text.lines().count(), lines, "{text:?}");
        assert!(
            !text.chars().any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)),
            "{text:?}"
        );
        let message: Value = serde_json::from_str(&render_message(&letter, thread(&id), true))?;
        let protocols: Vec<&String> = message.as_object().into_iter().flatten().map(|(protocol, _)| protocol).collect();
        assert_eq!(protocols, ["default", "email", "https"]);
        let chat: Value = serde_json::from_str(message["https"].as_str().unwrap_or_default())?;
        assert_eq!((&chat["version"], &chat["source"]), (&json!("1.0"), &json!("custom")));
        for shown in [&chat["content"]["title"], &chat["content"]["description"]] {
            let shown = shown.as_str().unwrap_or_default();
            assert!(!shown.contains(['<', '>', '[', ']', '`', '@', '\r']), "{shown:?}");
        }
    }
    Ok(())
}

#[test]
fn a_long_letter_fits_what_sns_and_chats_take() -> Result<(), serde_json::Error> {
    let id = EventId::derived("E.1");
    let fact = Fact { label: "Reason", value: "語".repeat(50_000) };
    let long = Letter { facts: vec![fact; 10], ..letter("x") };
    let message = render_message(&long, thread(&id), true);
    assert!(message.len() < 256 * 1024, "{}", message.len());
    let message: Value = serde_json::from_str(&message)?;
    let chat: Value = serde_json::from_str(message["https"].as_str().unwrap_or_default())?;
    assert_eq!(chat["content"]["description"].as_str().map(|d| d.chars().count()), Some(CHAT_CHARS_MAX));
    assert!(serde_json::from_str::<Value>(&render_message(&long, thread(&id), false))?.get("https").is_none());
    Ok(())
}

#[test]
fn money_is_shown_to_the_cent_half_up() -> Result<(), rust_decimal::Error> {
    for (amount, shown) in
        [("71.125", "71.13 USD"), ("0.0049", "0.00 USD"), ("12", "12.00 USD"), ("-1.005", "-1.01 USD")]
    {
        assert_eq!(shown_money(&Money::usd(amount.parse()?)), shown);
    }
    Ok(())
}
