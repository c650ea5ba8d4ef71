//! The process of the function `event-relay`.

fn main() -> anyhow::Result<()> {
    lambda::run(event_relay::function)
}
