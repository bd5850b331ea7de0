from django.test.runner import DiscoverRunner


class StrictRunner(DiscoverRunner):
    """Fail if no test was run: a pattern or a tag may be misspelled."""

    def suite_result(self, suite, result, **kwargs):
        failures = super().suite_result(suite, result, **kwargs)
        return failures or not (result.testsRun or result.skipped)
