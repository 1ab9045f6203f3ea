-- What every partition was made from: one row an input.
-- Which partitions depend on this one?
SELECT asset, "partition", input, inputs ->> input AS data_version, made_at
FROM (SELECT *, unnest(json_keys(inputs)) AS input FROM partitions)
ORDER BY asset, "partition", input
