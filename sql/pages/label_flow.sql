-- Which label of one judge became which of another, over the runs that both labelled.
SELECT one.label_a, one.label_b, count(*) AS steps
FROM (
    SELECT
        unnest(string_split(a.labels, '')) AS label_a,
        unnest(string_split(b.labels, '')) AS label_b
    FROM given_a AS a
    JOIN given_b AS b USING (trajectory_id)
    JOIN given_runs AS run USING (trajectory_id)
    WHERE length(a.labels) = length(b.labels)
      AND ($batch = '' OR run.batch = $batch)
) AS one
GROUP BY one.label_a, one.label_b
