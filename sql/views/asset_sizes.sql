CREATE OR REPLACE VIEW asset_sizes AS
SELECT
    asset,
    count(*) AS partitions,
    sum("rows")::BIGINT AS "rows",
    sum(refused)::BIGINT AS refused,
    sum(bytes)::BIGINT AS bytes,
    max(made_at) AS last_made
FROM partitions
GROUP BY asset
ORDER BY asset;

COMMENT ON VIEW asset_sizes IS 'What the warehouse holds, by asset.';
COMMENT ON COLUMN asset_sizes.asset IS 'Asset key.';
COMMENT ON COLUMN asset_sizes.partitions IS 'Partitions that exist.';
COMMENT ON COLUMN asset_sizes.rows IS 'Rows in them.';
COMMENT ON COLUMN asset_sizes.refused IS 'Inputs that were refused.';
COMMENT ON COLUMN asset_sizes.bytes IS 'Size of the files, in bytes.';
COMMENT ON COLUMN asset_sizes.last_made IS 'When the newest was made, UTC.';
