package dynamo

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/table"
)

// expr collects the names and values of one request: DynamoDB refuses what an expression does not use.
type expr struct {
	names  map[string]string
	values attrs
	now    int64
	major  int
}

func (c *call) expr() *expr {
	return &expr{names: map[string]string{}, values: attrs{}, now: c.now, major: c.d.o.Major}
}

// n gives the placeholder of an attribute name.
func (e *expr) n(attr string) string {
	p := "#" + attr
	if len(attr) > 2 && attr[:2] == counter {
		p = "#field" // a counter's name may hold anything; a request names one at most
	}
	e.names[p] = attr
	return p
}

// v gives the placeholder of a value.
func (e *expr) v(name string, v types.AttributeValue) string {
	e.values[":"+name] = v
	return ":" + name
}

func (e *expr) absent() string {
	return fmt.Sprintf("(attribute_not_exists(%s) OR %s <= %s)", e.n(AttrPK), e.n(AttrExpires), e.v("now", num(e.now)))
}

func (e *expr) notExpired() string {
	return fmt.Sprintf("(attribute_not_exists(%s) OR %s > %s)", e.n(AttrExpires), e.n(AttrExpires), e.v("now", num(e.now)))
}

func (e *expr) readable() string {
	return fmt.Sprintf("%s <= %s", e.n(attrLayout), e.v("major", num(int64(e.major))))
}

// holds is the condition of a Put or a Check.
func (e *expr) holds(ifVersion int64) string {
	switch ifVersion {
	case table.Absent:
		return e.absent()
	case table.AnyVersion:
		return e.absent() + " OR " + e.readable()
	}
	return fmt.Sprintf("%s = %s AND %s AND %s", e.n(attrVersion), e.v("if", num(ifVersion)), e.notExpired(), e.readable())
}

// mayDelete is the condition of a Delete: what is absent already is no error.
func (e *expr) mayDelete(ifVersion int64) string {
	if ifVersion == table.Absent || ifVersion == table.AnyVersion {
		return e.holds(ifVersion)
	}
	return fmt.Sprintf("%s OR (%s = %s AND %s)", e.absent(), e.n(attrVersion), e.v("if", num(ifVersion)), e.readable())
}

// add gives the update and the condition of an Add by the call with that write id.
func (e *expr) add(a table.Add, wid string, first int64) (update, condition string) {
	f := e.n(counter + a.Field)
	lo, hi := table.AddRange(a)
	fits := fmt.Sprintf("(%s >= %s AND %s <= %s)", f, e.v("lo", num(lo)), f, e.v("hi", num(hi)))
	if lo <= 0 && 0 <= hi {
		fits = fmt.Sprintf("(attribute_not_exists(%s) OR %s)", f, fits)
	}
	update = fmt.Sprintf("SET %s = if_not_exists(%s, %s) + %s, %s = if_not_exists(%s, %s) + %s, %s = if_not_exists(%s, %s), %s = %s",
		f, f, e.v("zero", num(0)), e.v("d", num(a.N)),
		e.n(attrVersion), e.n(attrVersion), e.v("first", num(first-1)), e.v("one", num(1)),
		e.n(attrLayout), e.n(attrLayout), e.v("layout", num(table.Major)),
		e.n(attrWriteID), e.v("wid", str(wid)))
	condition = fmt.Sprintf("%s AND %s AND (attribute_not_exists(%s) OR (%s AND %s <> %s))",
		fits, e.notExpired(), e.n(AttrPK), e.readable(), e.n(attrWriteID), e.v("wid", str(wid)))
	return update, condition
}
