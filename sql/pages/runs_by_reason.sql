-- Runs of which a critic gives a reason that holds a text, in small letters.
SELECT DISTINCT trajectory_id
FROM stored_step_verdicts()
WHERE contains(lower(reason), $text)
