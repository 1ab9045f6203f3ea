-- Steps on which two critics disagree, with both reasons.
-- Which of them is right?
SELECT critic_a, critic_b, trajectory_id, step_index, label_a, label_b, reason_a, reason_b
FROM critic_pairs
WHERE label_a <> label_b AND label_a <> 'unlabeled' AND label_b <> 'unlabeled'
ORDER BY critic_a, critic_b, trajectory_id, step_index
