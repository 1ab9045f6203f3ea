-- Chen et al. 2021, arXiv 2107.03374, equation 1, as the product that neither over- nor underflows.
CREATE OR REPLACE MACRO pass_at_k(attempts, resolved, k) AS
    CASE
        WHEN k BETWEEN 1 AND attempts THEN 1 - coalesce(
            list_product(
                list_transform(
                    range(attempts - resolved + 1, attempts + 1), lambda i: 1 - k / i
                )
            ),
            1
        )
    END;

COMMENT ON MACRO pass_at_k IS 'Chance that one of k attempts at a task resolves it, estimated without bias from so many attempts of which so many resolve it; NULL where there are fewer than k.';
