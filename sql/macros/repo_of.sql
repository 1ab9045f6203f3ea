-- SWE-bench: owner__repo-NUMBER; SWE-smith: owner__repo.COMMIT8.bug; lab: lab__module-SEED-NUMBER.
CREATE OR REPLACE MACRO repo_of(instance_id) AS
    CASE
        WHEN regexp_matches(instance_id, '^lab__.+-\d+-\d{4}$')
            THEN regexp_replace(instance_id, '^lab__(.+)-\d+-\d{4}$', 'lab/\1')
        WHEN regexp_matches(instance_id, '^[A-Za-z0-9-]+__.+(-\d+|\.[0-9a-f]{8}(\..*)?)$')
            THEN regexp_replace(
                instance_id, '^([A-Za-z0-9-]+)__(.+?)(-\d+|\.[0-9a-f]{8}(\..*)?)$', '\1/\2'
            )
    END;

COMMENT ON MACRO repo_of IS 'owner/name of the repository an instance id speaks of; NULL where it names none.';
