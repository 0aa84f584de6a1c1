package contract_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/runloop-community/runloop-go/contract"
)

// The document is the source of truth as long as nobody edits it here: what is
// younger goes into overlay.yaml.
func TestDocumentIsAsPublished(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	sum := sha256.Sum256(document)
	assert.Equal(t, "2c6c9f031acc47d02c5c89a0c71f0a89ccfbbbcf0949d078e8beba03e98ba959", hex.EncodeToString(sum[:]))
}

func TestOverlayAddsToTheDocument(t *testing.T) {
	t.Parallel()
	before := version01(t).Properties("EgressRulesView")
	after := live(t).Properties("EgressRulesView")
	assert.Subset(t, after, before)
	assert.Contains(t, after, "allowed_cidrs")
	assert.NotContains(t, before, "allowed_cidrs")
	assert.Subset(t, live(t).Items(), version01(t).Items())
	assert.Equal(t, []string{"end_port", "port", "protocol"}, live(t).Properties("PortRule"))
	assert.Nil(t, version01(t).Properties("PortRule"))
}

func TestOverlayMustFit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ overlay, want string }{
		"no target":         {`{overlay: 1.0.0, actions: [{target: $.paths.missing, update: {}}]}`, `there is no "missing"`},
		"through a list":    {`{overlay: 1.0.0, actions: [{target: $.tags.name, update: x}]}`, `there is no "name"`},
		"pattern as target": {`{overlay: 1.0.0, actions: [{target: $.paths.*, update: {}}]}`, `not of the form`},
		"other action":      {`{overlay: 1.0.0, actions: [{target: $.paths, remove: true}]}`, `field remove not found`},
		"no overlay":        {`{openapi: 3.0.3}`, `field openapi not found`},
		"other version":     {`{overlay: 2.0.0}`, `not an overlay of version 1`},
		"invalid result":    {`{overlay: 1.0.0, actions: [{target: $.info.title, update: 1}]}`, `title`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := version01(t).With([]byte(test.overlay))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestParseRefusesWhatIsNoDocument(t *testing.T) {
	t.Parallel()
	for _, source := range []string{``, `[`, `{"openapi": "3.0.3"}`} {
		_, err := contract.Parse([]byte(source))
		assert.Error(t, err, source)
	}
}
