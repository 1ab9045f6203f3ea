-- The table of runs, with the labels of one critic and of another: a letter a step.
-- A step that one of them left unlabeled is labelled otherwise.
SELECT
    run.*,
    a.labels,
    share(length(a.labels) - length(replace(a.labels, 'm', '')), length(a.labels)) AS mistakes,
    share(length(a.labels) - length(replace(a.labels, 'u', '')), length(a.labels)) AS unnecessary,
    share(length(a.labels) - length(replace(a.labels, 'r', '')), length(a.labels)) AS recovered,
    nullif(strpos(a.labels, 'm'), 0) - 1 AS first_mistake,
    b.labels AS labels_b,
    CASE
        WHEN length(a.labels) = length(b.labels) AND length(a.labels) > 0
            THEN hamming(a.labels, b.labels) / length(a.labels)
    END AS disagreement
FROM given_runs AS run
LEFT JOIN given_a AS a USING (trajectory_id)
LEFT JOIN given_b AS b USING (trajectory_id)
