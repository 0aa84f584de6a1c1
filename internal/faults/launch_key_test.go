package faults

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	runloop "github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/internal/clienttest"
)

// What the documentation of Create excepts: a second call with a key cannot know of a
// devbox that the lists do not show. Both callers are told the key.
func TestAKeyDoesNotFindWhatTheListsDoNotShow(t *testing.T) {
	for name, test := range map[string]struct {
		first fault
		box   *modelBox
		lag   time.Duration
		boxes int
	}{
		"delivered in time":      {first: fault{late: 600 * time.Millisecond, status: 504}, boxes: 1},
		"delivered later":        {first: fault{late: 10 * time.Minute, status: 504}, boxes: 2},
		"lost, shown later":      {first: fault{commits: true, status: 504}, lag: time.Minute, boxes: 2},
		"lost, shown in time":    {first: fault{commits: true, status: 504}, lag: 4 * time.Second, boxes: 1},
		"suspended":              {box: boxOf(boxScript{statuses: []string{"suspended"}}, "key", "npol_1"), boxes: 2},
		"running, found at once": {box: boxOf(running, "key", "npol_1"), boxes: 1},
	} {
		t.Run(name, clienttest.InBubble(func(t *testing.T) {
			m := newModel(t, func(int) *fault { return nil })
			m.lag = test.lag
			m.add(equal.policy, time.Hour, false)
			if test.box != nil {
				m.addBox(new(*test.box))
				time.Sleep(m.lag)
			}
			if test.first.status > 0 {
				m.plan = func(position int) *fault {
					if position == 5 { // the create, after four lists
						return &test.first
					}
					return nil
				}
			}
			client := m.client(t, nil)
			for try := 1; ; try++ {
				got, err := client.Devboxes.Create(t.Context(), underID, withKey)
				if err == nil {
					assert.Equal(t, "key", got.Metadata[runloop.MetadataRequestID])
					break
				}
				e, ok := errors.AsType[*runloop.DevboxError](err)
				require.True(t, ok, "%v", err)
				assert.Equal(t, "key", e.RequestID)
				require.Less(t, try, 3)
				time.Sleep(5 * time.Second)
			}
			time.Sleep(time.Hour)
			m.mu.Lock()
			defer m.mu.Unlock()
			assert.Len(t, m.boxes, test.boxes)
		}))
	}
}
