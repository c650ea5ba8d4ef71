//! Starts the function; everything it does is in the library.

fn main() -> anyhow::Result<()> {
    lambda::run(spend::function)
}
