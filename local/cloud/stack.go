package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// ErrNoStack is in the chain where the account has no such stack in this region.
var ErrNoStack = errors.New("there is no such stack")

// Resource is one resource of a stack.
type Resource struct {
	Logical, Physical, Type, Status, Why string
}

// Stack is a deployed stack as CloudFormation tells of it.
type Stack struct {
	Name       string
	ID         string // also finds a stack that was deleted
	Status     string
	Why        string
	Parameters map[string]string
	Outputs    map[string]string
	Resources  map[string]Resource // by logical id
}

// Deleted says that the stack is gone; what it kept is still listed.
func (s Stack) Deleted() bool { return s.Status == string(cftypes.StackStatusDeleteComplete) }

// Leaving says that a deletion was begun, and perhaps failed.
func (s Stack) Leaving() bool { return strings.HasPrefix(s.Status, "DELETE_") }

// Physical is the real name of a resource; "" where the stack has none.
func (s Stack) Physical(logical string) string { return s.Resources[logical].Physical }

// Kept lists what a deletion of the stack leaves in place, of the logical ids that the template keeps.
func (s Stack) Kept(logical []string) []Resource {
	var out []Resource
	for _, id := range logical {
		if r, ok := s.Resources[id]; ok {
			out = append(out, r)
		}
	}
	return out
}

// Going lists what a deletion takes with it, by type and logical id.
func (s Stack) Going(kept []string) []Resource {
	var out []Resource
	for _, id := range slices.Sorted(maps.Keys(s.Resources)) {
		if !slices.Contains(kept, id) {
			out = append(out, s.Resources[id])
		}
	}
	slices.SortStableFunc(out, func(a, b Resource) int { return strings.Compare(a.Type, b.Type) })
	return out
}

// ByAPI finds the stack whose output ApiUrl is that address.
func (a *Account) ByAPI(ctx context.Context, address string) (Stack, error) {
	pages := cloudformation.NewDescribeStacksPaginator(a.stacks, &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return Stack{}, err
		}
		for _, st := range p.Stacks {
			for _, o := range st.Outputs {
				if aws.ToString(o.OutputKey) == "ApiUrl" && strings.TrimRight(aws.ToString(o.OutputValue), "/") == strings.TrimRight(address, "/") {
					return a.filled(ctx, st)
				}
			}
		}
	}
	return Stack{}, fmt.Errorf("no stack of this account in %s has the address %s: %w", a.Region, address, ErrNoStack)
}

// ByName finds a stack by its name or id.
func (a *Account) ByName(ctx context.Context, name string) (Stack, error) {
	out, err := a.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		if codeOf(err) == "ValidationError" && strings.Contains(err.Error(), "does not exist") {
			return Stack{}, fmt.Errorf("%s in %s: %w", name, a.Region, ErrNoStack)
		}
		return Stack{}, err
	}
	if len(out.Stacks) == 0 {
		return Stack{}, fmt.Errorf("%s in %s: %w", name, a.Region, ErrNoStack)
	}
	return a.filled(ctx, out.Stacks[0])
}

// LastDeleted finds the newest stack of that name that was deleted; CloudFormation remembers them for 90 days.
func (a *Account) LastDeleted(ctx context.Context, name string) (Stack, error) {
	pages := cloudformation.NewListStacksPaginator(a.stacks, &cloudformation.ListStacksInput{StackStatusFilter: []cftypes.StackStatus{cftypes.StackStatusDeleteComplete}})
	var newest *cftypes.StackSummary
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return Stack{}, err
		}
		for _, s := range p.StackSummaries {
			if aws.ToString(s.StackName) == name && (newest == nil || aws.ToTime(s.DeletionTime).After(aws.ToTime(newest.DeletionTime))) {
				newest = &s
			}
		}
	}
	if newest == nil {
		return Stack{}, fmt.Errorf("%s in %s: %w", name, a.Region, ErrNoStack)
	}
	return a.ByName(ctx, aws.ToString(newest.StackId))
}

func (a *Account) filled(ctx context.Context, st cftypes.Stack) (Stack, error) {
	s := Stack{
		Name: aws.ToString(st.StackName), ID: aws.ToString(st.StackId), Status: string(st.StackStatus), Why: aws.ToString(st.StackStatusReason),
		Parameters: map[string]string{}, Outputs: map[string]string{}, Resources: map[string]Resource{},
	}
	for _, p := range st.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}
	for _, o := range st.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	pages := cloudformation.NewListStackResourcesPaginator(a.stacks, &cloudformation.ListStackResourcesInput{StackName: &s.ID})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return s, err
		}
		for _, r := range p.StackResourceSummaries {
			id := aws.ToString(r.LogicalResourceId)
			s.Resources[id] = Resource{Logical: id, Physical: aws.ToString(r.PhysicalResourceId), Type: aws.ToString(r.ResourceType), Status: string(r.ResourceStatus), Why: aws.ToString(r.ResourceStatusReason)}
		}
	}
	return s, nil
}
