-- The thirty partitions made last.
-- What did the last run change?
SELECT asset, "partition", "rows", refused, made_at, run_id
FROM partitions
ORDER BY made_at DESC, asset, "partition"
LIMIT 30
