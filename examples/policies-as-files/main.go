// Command policies-as-files makes the network policies of an account match a YAML file.
//
//	policies-as-files plan policies.yaml    prints what apply would change
//	policies-as-files apply policies.yaml   creates and updates policies
//	policies-as-files drift policies.yaml   like plan, but exits with status 2 if anything differs
//	policies-as-files export                prints all policies of the account as a YAML file
//
// The exit status after an error is 1. Policies that are not in the file are not changed.
//
// The API key is read from RUNLOOP_API_KEY. To try the command without an account, start a
// fake API in another terminal, and set:
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
	// The plan is complete before apply writes anything.
	changes, err := plan(ctx, client, file, out)
	switch {
	case args[0] == "drift" && (len(changes) > 0 || errors.Is(err, runloop.ErrDrift)):
		return errors.Join(err, errDrift)
	case err != nil:
		return err
	case args[0] == "apply":
		return apply(ctx, client, changes, out)
	}
	return nil
}

// read rejects misspelled fields, invalid rules and names that occur twice.
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
		return file{}, fmt.Errorf("%s: has several documents: write all policies in one list", name)
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

// plan prints what differs and returns the policies to apply. The error matches ErrDrift
// if a policy has a rule that is newer than the SDK, which apply cannot remove.
func plan(ctx context.Context, client *runloop.Client, f file, out io.Writer) ([]runloop.NetworkPolicyCreateParams, error) {
	var changes []runloop.NetworkPolicyCreateParams
	var unknown []error
	for _, params := range f.Policies {
		plan, err := client.NetworkPolicies.Plan(ctx, params)
		if errors.Is(err, runloop.ErrDrift) {
			unknown = append(unknown, err)
			continue
		}
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
	fmt.Fprintf(out, "%d of %d policies differ\n", len(changes)+len(unknown), len(f.Policies))
	return changes, errors.Join(unknown...)
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

// An entry is a policy as export prints it: the name comes first, and the rules that allow
// nothing are omitted.
type entry struct {
	Name        string         `yaml:"name"`
	Description string         `yaml:"description,omitempty"`
	Egress      map[string]any `yaml:"egress"`
}

// export sorts the policies by name, so that two exports can be compared.
func export(ctx context.Context, client *runloop.Client, out io.Writer) error {
	var f struct {
		Policies []entry `yaml:"policies"`
	}
	for policy, err := range client.NetworkPolicies.All(ctx, runloop.NetworkPolicyListParams{}) {
		if err != nil {
			return err
		}
		params := runloop.NetworkPolicyCreateParams{Name: policy.Name, Egress: policy.Egress}
		form, err := params.MarshalYAML() // fails if the policy has a rule that is newer than the SDK
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
