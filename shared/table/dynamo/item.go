package dynamo

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/table"
)

type attrs = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(k table.Key) attrs { return attrs{AttrPK: str(k.PK), AttrSK: str(k.SK)} }

// encode lays an item out. Doc is a string and not a map, so that it comes back byte for byte; counters are attributes
// of their own, so that one request can add to one whether or not the item is there.
func encode(it table.Item) attrs {
	a := keyOf(it.Key)
	a[attrLayout], a[attrVersion], a[attrWriteID] = num(int64(it.V)), num(it.Version), str(it.WriteID)
	if len(it.Doc) > 0 {
		a[attrDoc] = str(string(it.Doc))
	}
	for f, n := range it.N {
		a[counter+f] = num(n)
	}
	for name, p := range it.Index {
		x := indexSchema(name)
		a[x.PK], a[x.SK] = str(p.PK), str(p.SK)
	}
	if e := table.ExpiresUnix(it.Expires); e != 0 {
		a[AttrExpires] = num(e)
	}
	return a
}

func decode(a attrs) (it table.Item, err error) {
	it.Key = table.Key{PK: text(a[AttrPK]), SK: text(a[AttrSK])}
	it.WriteID = text(a[attrWriteID])
	if d := text(a[attrDoc]); d != "" {
		it.Doc = json.RawMessage(d)
	}
	v, err := number(a, attrLayout)
	if err != nil {
		return it, err
	}
	it.V = int(v)
	if it.Version, err = number(a, attrVersion); err != nil {
		return it, err
	}
	for name := range a {
		if f, ok := strings.CutPrefix(name, counter); ok {
			if it.N == nil {
				it.N = map[string]int64{}
			}
			if it.N[f], err = number(a, name); err != nil {
				return it, err
			}
		}
	}
	for _, x := range Schema().Indexes {
		if p := (table.Place{PK: text(a[x.PK]), SK: text(a[x.SK])}); p.PK != "" {
			if it.Index == nil {
				it.Index = map[table.Index]table.Place{}
			}
			it.Index[x.Name] = p
		}
	}
	if e := expires(a); e != 0 {
		it.Expires = time.Unix(e, 0).UTC()
	}
	return it, nil
}

func text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func number(a attrs, name string) (int64, error) {
	n, ok := a[name].(*types.AttributeValueMemberN)
	if !ok {
		return 0, fmt.Errorf("attribute %s of %s %s is no number", name, text(a[AttrPK]), text(a[AttrSK]))
	}
	return strconv.ParseInt(n.Value, 10, 64)
}

func expires(a attrs) int64 {
	if a[AttrExpires] == nil {
		return 0
	}
	e, err := number(a, AttrExpires)
	if err != nil {
		return 0
	}
	return e
}

// live says whether a is an item that has not expired.
func live(a attrs, now int64) bool {
	e := expires(a)
	return len(a) > 0 && (e == 0 || now < e)
}

func tooNew(a attrs, major int) bool {
	v, err := number(a, attrLayout)
	return err == nil && v > int64(major)
}
