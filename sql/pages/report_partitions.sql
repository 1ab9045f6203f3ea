-- What the report was made from: partitions by asset, with a digest of their data versions.
SELECT
    asset,
    count(*) AS partitions,
    sum("rows")::BIGINT AS "rows",
    max(made_at) AS latest,
    left(md5(string_agg(data_version, ',' ORDER BY "partition")), 12) AS digest
FROM partitions
GROUP BY asset
ORDER BY asset
