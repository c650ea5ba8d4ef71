//! The paths of both platforms, end to end.

use system_tests::{CHECKOUT, PETRA, World};

#[tokio::test]
async fn the_bedrock_path_ends_in_a_claim() -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let world = World::empty().await?;
    eprintln!("start {:?}", began.elapsed());
    let granted = world.one_grant().await?;
    eprintln!("grant {:?}", began.elapsed());
    world.implement(&granted.id, CHECKOUT, "finops-ai-checkout").await?;
    eprintln!("done {:?}", began.elapsed());
    let _ = PETRA;
    Ok(())
}
