//! The estimates that cards are held against, as many workloads' are read at once.

use domain::base::ids::WorkloadId;
use store::Store;
use store::aggregates::estimate::Estimates;
use system_tests::{GOVERNANCE_TABLE, PETRA, World};

#[tokio::test]
async fn every_version_is_read_with_many_others_also_where_an_older_version_of_the_product_wrote_it()
-> anyhow::Result<()> {
    let world = World::empty().await?;
    let workload = world.ready_workload(PETRA, "checkout").await?;
    world.estimate(PETRA, &workload, "bedrock", "150.00").await?;
    world.estimate(PETRA, &workload, "claude-platform", "10.00").await?;
    let store = Store::new(world.tables(), GOVERNANCE_TABLE.to_owned());
    let ids: [WorkloadId; 2] = [workload.parse()?, "wkl_none".parse()?];
    let alone = store.load_estimates(&ids[0]).await?.map(|found| found.value);
    assert_eq!(alone.as_ref().map(|found| found.versions.len()), Some(3));
    for attribute in ["none", "rows"] {
        world.strip(GOVERNANCE_TABLE, &format!("ESTIMATES#{workload} META"), attribute).await?;
        let mut together = store.load_each::<Estimates>(ids.clone()).await?;
        assert_eq!(together.len(), 1, "without `{attribute}`");
        assert_eq!(together.remove(&workload).transpose()?.map(|found| found.value), alone, "without `{attribute}`");
    }
    Ok(())
}
