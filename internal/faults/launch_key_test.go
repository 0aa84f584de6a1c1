package faults

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// The documentation of Create makes this exception: a second call with a key cannot know of a
// devbox that the lists do not show. Both callers have the key.
func TestAKeyMissesUnlistedDevboxes(t *testing.T) {
	suspended := boxScript{statuses: []string{"suspended"}}
	for name, test := range map[string]struct {
		first *fault // that the first create meets
		box   *modelBox
		lag   time.Duration
		boxes int
	}{
		"delivered in time":    {first: &fault{late: 600 * time.Millisecond, status: 504}, boxes: 1},
		"delivered later":      {first: &fault{late: 10 * time.Minute, status: 504}, boxes: 2},
		"lost, shown later":    {first: &fault{applied: true, status: 504}, lag: time.Minute, boxes: 2},
		"lost, shown in time":  {first: &fault{applied: true, status: 504}, lag: 4 * time.Second, boxes: 1},
		"suspended":            {box: boxOf(suspended, "key", "npol_1"), boxes: 2},
		"running, in the list": {box: boxOf(running, "key", "npol_1"), boxes: 1},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			m := newModel(t, at(5, test.first)) // the create, after four lists
			m.lag, m.script = test.lag, func() boxScript { return healthy }
			m.add(equal.policy, time.Hour, false)
			if test.box != nil {
				m.addBox(test.box)
			}
			client := m.client(t, nil)
			got, err := client.Devboxes.Create(t.Context(), underID, withKey)
			for try := 1; err != nil; try++ {
				require.Less(t, try, 3)
				require.NotNil(t, devboxError(err), "%v", err)
				assert.Equal(t, "key", devboxError(err).RequestID)
				time.Sleep(5 * time.Second)
				got, err = client.Devboxes.Create(t.Context(), underID, withKey)
			}
			assert.Equal(t, "key", got.Metadata[runloop.MetadataRequestID])
			time.Sleep(time.Hour)
			m.mu.Lock()
			defer m.mu.Unlock()
			assert.Len(t, m.boxes, test.boxes)
		}))
	}
}
