package contract_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/contract"
)

// TestContract makes the SDK use the fake in every way, and then checks that nothing in the
// document was left out.
func TestContract(t *testing.T) {
	t.Parallel()
	for _, e := range editions(t) {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			// The group returns when its parallel tests have ended.
			passed := t.Run("traffic", func(t *testing.T) {
				for _, traffic := range []struct {
					name string
					test func(*testing.T, *edition)
				}{
					{"creates", testCreates},
					{"apply", testApply},
					{"update", testUpdate},
					{"lists", testLists},
					{"IDs", testIDs},
					{"lost responses", testLostResponses},
					{"other clients", testOtherClients},
					{"statuses", testStatuses},
					{"devboxes", testDevboxes},
					{"life of a devbox", testDevboxLife},
					{"what the fake never shows", testFullDevbox},
				} {
					t.Run(traffic.name, func(t *testing.T) {
						t.Parallel()
						traffic.test(t, e)
					})
				}
			})
			switch {
			case !passed:
				t.Skip("failed tests may leave gaps in the coverage")
			case filtered():
				t.Skip("only some of the traffic was selected")
			}
			t.Run("coverage", func(t *testing.T) {
				assert.Empty(t, e.recorder.Missing(e.document), "no test exercises these")
			})
			t.Run("coverage names what is left out", func(t *testing.T) {
				testMadeUp(t, e)
			})
		})
	}
}

// filtered reports whether the command line selects subtests.
func filtered() bool {
	value := func(name string) string { return flag.Lookup("test." + name).Value.String() }
	return strings.Contains(value("run"), "/") || value("skip") != ""
}

// testMadeUp tests the check of the coverage with a document that has more.
func testMadeUp(t *testing.T, e *edition) {
	source, err := os.ReadFile("testdata/made-up.yaml")
	require.NoError(t, err)
	document, err := contract.Parse(source)
	require.NoError(t, err)
	assert.Equal(t, []contract.Item{
		"listNetworkPolicies: query parameter made_up",
		"listNetworkPolicies: status 200 body .made_up",
		"listNetworkPolicies: status 200 body .made_up.inner",
		"listNetworkPolicies: status 418",
		"madeUpOperation",
		"madeUpOperation: header parameter made_up",
		"madeUpOperation: path parameter id",
		"madeUpOperation: request body",
		"madeUpOperation: request body as text/plain",
		"madeUpOperation: status 200",
		"unused schema MadeUpSchema",
		"updateNetworkPolicy: request body .made_up",
		"updateNetworkPolicy: request body .made_up[]",
	}, e.recorder.Missing(document))
}
