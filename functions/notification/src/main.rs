//! The process of the function `notification`.

fn main() -> anyhow::Result<()> {
    lambda::run(notification::function)
}
