// Command policies-as-files keeps the network policies of an account as a YAML file has
// them.
//
//	policies-as-files plan policies.yaml    shows what apply would do
//	policies-as-files apply policies.yaml   creates and updates policies
//	policies-as-files drift policies.yaml   is plan, with exit status 2 if there is a difference
//	policies-as-files export                writes all policies of the account as such a file
//
// The exit status is 1 after an error. Policies that are not in the file are not touched.
//
// The key is that of RUNLOOP_API_KEY. To try it without an account, start a fake of the
// API in another terminal:
//
//	go run github.com/runloop-community/runloop-go/cmd/runloop-fake@latest
//	export RUNLOOP_BASE_URL=http://127.0.0.1:8787 RUNLOOP_API_KEY=any-key
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/runloop-community/runloop-go"
)

type file struct {
	Policies []runloop.NetworkPolicyCreateParams `yaml:"policies"`
}

var (
	errUsage = errors.New("usage: policies-as-files plan|apply|drift FILE, or policies-as-files export")
	errDrift = errors.New("the account differs from the file")
)

func main() {
	client, err := runloop.NewClient()
	if err == nil {
		err = run(context.Background(), client, os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitStatus(err))
}

func exitStatus(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errDrift):
		return 2
	}
	return 1
}

func run(ctx context.Context, client *runloop.Client, args []string, out io.Writer) error {
	if len(args) == 1 && args[0] == "export" {
		return export(ctx, client, out)
	}
	if len(args) != 2 || !slices.Contains([]string{"plan", "apply", "drift"}, args[0]) {
		return errUsage
	}
	file, err := read(args[1])
	if err != nil {
		return err
	}
	// The whole plan comes first, so a mistake in the file stops apply before it writes.
	changes, err := plan(ctx, client, file, out)
	switch {
	case args[0] == "drift" && (len(changes) > 0 || errors.Is(err, runloop.ErrDrift)): // the latter cannot be applied
		return errors.Join(err, errDrift)
	case err != nil:
		return err
	case args[0] == "apply":
		return apply(ctx, client, changes, out)
	}
	return nil
}

// read is strict: a misspelled field or a name that occurs twice is an error.
func read(name string) (file, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return file{}, err
	}
	var f file
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil && err != io.EOF {
		return file{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.Policies) == 0 {
		return file{}, fmt.Errorf("%s: has no policies", name)
	}
	if err := decoder.Decode(new(any)); err != io.EOF {
		return file{}, fmt.Errorf("%s: has more than one document: write all policies in one list", name)
	}
	var problems []error
	seen := make(map[string]bool)
	for _, params := range f.Policies {
		if seen[params.Name] {
			problems = append(problems, fmt.Errorf("%s: policy %q: the name occurs twice", name, params.Name))
		}
		seen[params.Name] = true
		if e, ok := errors.AsType[*runloop.ValidationError](params.Egress.Validate()); ok {
			for _, problem := range e.Problems {
				problems = append(problems, fmt.Errorf("%s: policy %q: %s", name, params.Name, problem))
			}
		}
	}
	return f, errors.Join(problems...)
}

// plan shows what differs and returns the policies to apply.
func plan(ctx context.Context, client *runloop.Client, f file, out io.Writer) ([]runloop.NetworkPolicyCreateParams, error) {
	var changes []runloop.NetworkPolicyCreateParams
	for _, params := range f.Policies {
		plan, err := client.NetworkPolicies.Plan(ctx, params)
		if err != nil {
			return nil, err
		}
		if plan.Action == runloop.PlanNone {
			continue
		}
		changes = append(changes, params)
		fmt.Fprintf(out, "%s %s\n", plan.Action, params.Name)
		for _, line := range plan.Diff {
			fmt.Fprintf(out, "    %s\n", line)
		}
	}
	fmt.Fprintf(out, "%d of %d policies differ\n", len(changes), len(f.Policies))
	return changes, nil
}

func apply(ctx context.Context, client *runloop.Client, changes []runloop.NetworkPolicyCreateParams, out io.Writer) error {
	for _, params := range changes {
		policy, err := client.NetworkPolicies.Apply(ctx, params)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "applied %s, %s\n", policy.Name, policy.ID)
	}
	return nil
}

// An entry is the file form of a policy, with the name first and without the fields that
// allow nothing.
type entry struct {
	Name        string         `yaml:"name"`
	Description string         `yaml:"description,omitempty"`
	Egress      map[string]any `yaml:"egress"`
}

// export sorts by name, so that the files of two days can be compared.
func export(ctx context.Context, client *runloop.Client, out io.Writer) error {
	var f struct {
		Policies []entry `yaml:"policies"`
	}
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			return err
		}
		params := runloop.NetworkPolicyCreateParams{Name: policy.Name, Egress: policy.Egress}
		form, err := params.MarshalYAML() // fails if a rule is newer than the SDK
		if err != nil {
			return fmt.Errorf("policy %q: %w", policy.Name, err)
		}
		egress := form.(map[string]any)["egress"].(map[string]any)
		maps.DeleteFunc(egress, func(_ string, value any) bool {
			list, ok := value.([]any)
			return value == false || ok && len(list) == 0
		})
		f.Policies = append(f.Policies, entry{policy.Name, policy.Description, egress})
	}
	slices.SortFunc(f.Policies, func(a, b entry) int { return cmp.Compare(a.Name, b.Name) })
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(f), encoder.Close())
}
