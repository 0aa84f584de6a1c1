package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/runloop-community/runloop-go"
	"github.com/runloop-community/runloop-go/runlooptest"
)

// A session runs commands on one account.
type session struct {
	t      *testing.T
	client *runloop.Client
}

func start(t *testing.T, opts ...runlooptest.Option) session {
	t.Helper()
	client, err := runlooptest.NewTestServer(t, opts...).Client()
	if err != nil {
		t.Fatal(err)
	}
	return session{t, client}
}

func (s session) expect(status int, output string, args ...string) {
	s.t.Helper()
	var out bytes.Buffer
	err := run(s.t.Context(), s.client, args, &out)
	if got := exitStatus(err); got != status || out.String() != output {
		s.t.Errorf("%v: status %d (%v), want %d; output:\n%s", args, got, err, status, out.String())
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "policies.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const firstPlan = `create build
    + host *.npmjs.org
    + host github.com
    + description "package registries only"
create offline
create database
    + cidr 10.0.0.0/8 TCP 5432
3 of 3 policies differ
`

const exported = `policies:
  - name: build
    description: package registries only
    egress:
      allowed_hostnames:
        - github.com
        - '*.npmjs.org'
  - name: database
    egress:
      allowed_cidrs:
        - cidr: 10.0.0.0/8
          ports:
            - port: 5432
              protocol: TCP
  - name: offline
    egress: {}
`

func TestCommands(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.expect(0, firstPlan, "plan", "policies.yaml")
	s.expect(2, firstPlan, "drift", "policies.yaml")
	s.expect(0, firstPlan+"applied build, npol_000001\napplied offline, npol_000002\napplied database, npol_000003\n", "apply", "policies.yaml")
	s.expect(0, "0 of 3 policies differ\n", "drift", "policies.yaml")
	s.expect(0, exported, "export")
	s.expect(0, "0 of 3 policies differ\n", "drift", write(t, exported))

	changed := write(t, "policies: [{name: build, description: git only, egress: {allowed_hostnames: [github.com]}}]")
	s.expect(2, `update build
    - host *.npmjs.org
    - description "package registries only"
    + description "git only"
1 of 1 policies differ
`, "drift", changed)
}

func TestMistakesWriteNothing(t *testing.T) {
	t.Parallel()
	for text, problem := range map[string]string{
		"": "has no policies",
		"policies:\n- {name: b, allowed_hostnames: [github.com]}":           `allowed_hostnames is a field of "egress": write it there`,
		"policies:\n- {name: b}":                                            `the JSON has no "egress": write "egress": {} to deny everything`,
		"policies:\n- {name: b, egress: {}}\n- {name: b, egress: {}}":       `policy "b": the name occurs twice`,
		"policies:\n- {name: b, egress: {allowed_hostnames: [https://x]}}":  `policy "b": AllowedHostnames[0]: `,
		"policies:\n- {name: good, egress: {}}\n- {name: ' ', egress: {}}":  "must not be blank",
		"policies:\n- {name: b, egress: {}}\n---\npolicies: []":             "has several documents",
		"policy:\n- {name: b, egress: {}}":                                  "field policy not found",
		"policies:\n- {name: b, egress: {allow_all: true, allow_all: yes}}": "already defined",
	} {
		s := start(t)
		var out bytes.Buffer
		err := run(t.Context(), s.client, []string{"apply", write(t, text)}, &out)
		if exitStatus(err) != 1 || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: got %v", text, err)
		}
		s.expect(0, "policies: []\n", "export")
	}
}

// A rule that is newer than the SDK is drift, which no apply removes.
func TestUnknownRule(t *testing.T) {
	t.Parallel()
	s := start(t, runlooptest.WithUnknownFields(map[string]any{"allow_ipv6": true}),
		runlooptest.WithPolicies(runloop.NetworkPolicy{Name: "build"}))
	file := write(t, "policies: [{name: build, egress: {}}, {name: new, egress: {}}]")
	const plan = "create new\n2 of 2 policies differ\n"
	s.expect(2, plan, "drift", file)
	s.expect(1, plan, "plan", file)
	s.expect(1, plan, "apply", file)
	s.expect(1, "", "export")
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, args := range [][]string{{}, {"plan"}, {"delete", "policies.yaml"}, {"export", "policies.yaml"}, {"plan", "missing.yaml"}} {
		s.expect(1, "", args...)
	}
}
