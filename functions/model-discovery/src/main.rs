//! The process of the function `model-discovery`.

fn main() -> anyhow::Result<()> {
    lambda::run(model_discovery::function)
}
