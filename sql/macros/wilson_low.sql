-- Wilson 1927, score interval at 95%: holds for few trials and for rates of 0 and 1.
CREATE OR REPLACE MACRO wilson_low(successes, trials) AS
    CASE
        WHEN trials > 0 THEN greatest(
            0.0,
            (
                successes / trials + 1.959963984540054 ** 2 / (2 * trials)
                - 1.959963984540054 * sqrt(
                    successes / trials * (1 - successes / trials) / trials
                    + 1.959963984540054 ** 2 / (4 * trials ** 2)
                )
            ) / (1 + 1.959963984540054 ** 2 / trials)
        )
    END;

COMMENT ON MACRO wilson_low IS 'Lower end of the 95% Wilson interval of a rate; NULL without trials.';
