package dynamo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// Transact implements table.Table. Of several operations that fail, the first gives the error.
func (d *DB) Transact(ctx context.Context, token string, ops []table.Op) error {
	const op = "dynamo.Transact"
	if err := table.CheckOps(op, token, ops, d.o.Major); err != nil {
		return err
	}
	c, err := d.newCall(ctx, op)
	if err != nil {
		return err
	}
	sum := table.Fingerprint(ops)
	t := &transaction{call: c, token: token, ops: ops, sum: hex.EncodeToString(sum[:])}
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &c.wid, TransactItems: t.items(), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal}
	for range maxPurges {
		out, err := d.client.TransactWriteItems(ctx, in)
		if err == nil {
			d.count(true, out.ConsumedCapacity...)
			return nil
		}
		d.count(true)
		var cancelled *types.TransactionCanceledException
		if !errors.As(err, &cancelled) {
			return classify(op, err, true)
		}
		again, err := t.judge(ctx, cancelled.CancellationReasons, err)
		if !again {
			return err
		}
	}
	return &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errExpiredInTheWay}
}

type transaction struct {
	*call
	token string
	ops   []table.Op
	sum   string
}

// tokenKey is where the record of a token is kept.
func tokenKey(token string) table.Key {
	h := sha256.Sum256([]byte(token))
	return table.Key{PK: table.ReservedPrefix + "token#" + hex.EncodeToString(h[:]), SK: "-"}
}

// items lays the operations out, the record of the token first.
func (t *transaction) items() []types.TransactWriteItem {
	var items []types.TransactWriteItem
	if t.token != "" {
		e := t.expr()
		a := keyOf(tokenKey(t.token))
		// One second more than the life: a part of a second must not make it shorter.
		a[AttrExpires], a[attrOps], a[attrWriteID] = num(t.now+int64(table.TokenLife.Seconds())+1), str(t.sum), str(t.wid)
		items = append(items, types.TransactWriteItem{Put: t.put(a, e, e.absent())})
	}
	for _, o := range t.ops {
		items = append(items, t.item(o))
	}
	return items
}

func (t *transaction) put(a attrs, e *expr, cond string) *types.Put {
	return &types.Put{TableName: &t.d.name, Item: a, ConditionExpression: &cond, ExpressionAttributeNames: e.names,
		ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
}

func (t *transaction) item(o table.Op) types.TransactWriteItem {
	const allOld = types.ReturnValuesOnConditionCheckFailureAllOld
	e := t.expr()
	switch {
	case o.Put != nil:
		return types.TransactWriteItem{Put: t.put(encode(t.fill(*o.Put, o.If)), e, e.holds(o.If))}
	case o.Delete != nil:
		cond := e.mayDelete(o.If)
		return types.TransactWriteItem{Delete: &types.Delete{TableName: &t.d.name, Key: keyOf(*o.Delete), ConditionExpression: &cond,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld}}
	case o.Check != nil:
		cond := e.holds(o.If)
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &t.d.name, Key: keyOf(*o.Check), ConditionExpression: &cond,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld}}
	}
	update, cond := e.add(*o.Add, t.wid, t.version)
	return types.TransactWriteItem{Update: &types.Update{TableName: &t.d.name, Key: keyOf(o.Add.Key), UpdateExpression: &update, ConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld}}
}

// judge says what a cancelled transaction means. A cancelled one has no effect. again is true when what was in the way
// had expired and is removed now.
func (t *transaction) judge(ctx context.Context, reasons []types.CancellationReason, cause error) (again bool, err error) {
	failed := -1 // the first reason of all
	refusal := -1
	for i, r := range reasons {
		code := aws.ToString(r.Code)
		if code == "" || code == "None" {
			continue
		}
		if failed < 0 {
			failed = i
		}
		if refusal < 0 && code == "ConditionalCheckFailed" {
			refusal = i
		}
	}
	if failed < 0 || len(reasons) != len(t.ops)+t.extra() {
		// Cancelled means without effect; why is not said, so a repeat may find out.
		return false, &fault.Error{Kind: fault.Retryable, Op: t.op, Effect: fault.EffectNone, Err: fmt.Errorf("a cancelled transaction without reasons: %w", cause)}
	}
	if refusal < 0 {
		return false, t.cancelled(reasons[failed], cause)
	}
	if t.token != "" {
		if done, err := t.before(ctx, refusal, reasons[0].Item); done || err != nil {
			return false, err
		}
	}
	return t.refusal(ctx, t.ops[refusal-t.extra()], reasons[refusal].Item)
}

func (t *transaction) extra() int {
	if t.token != "" {
		return 1
	}
	return 0
}

// cancelled classifies a reason other than a condition, by its code.
func (t *transaction) cancelled(r types.CancellationReason, cause error) error {
	e := &fault.Error{Kind: fault.Retryable, Op: t.op, Code: aws.ToString(r.Code), Effect: fault.EffectNone, Actor: fault.ActorUs, Err: cause}
	if v, ok := codes(e.Code); ok {
		e.Kind, e.Quota = v.kind, v.quota
	}
	return e
}

// before says whether the token was used: with the same operations the transaction is done, with others it is refused.
// When another condition failed too, the record is read, since that may be the work of the first call.
func (t *transaction) before(ctx context.Context, refusal int, record attrs) (done bool, err error) {
	if refusal != 0 {
		out, err := t.d.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.d.name, Key: keyOf(tokenKey(t.token)),
			ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal})
		if err != nil {
			// The transaction was cancelled, but whether an earlier one went through is not known.
			return false, classify(t.op, err, true)
		}
		t.d.countOne(false, out.ConsumedCapacity)
		if record = out.Item; !live(record, t.now) {
			return false, nil
		}
	}
	if text(record[attrOps]) != t.sum {
		return false, table.TokenReused(t.op)
	}
	return true, nil
}

// refusal says which rule an operation broke.
func (t *transaction) refusal(ctx context.Context, o table.Op, old attrs) (again bool, err error) {
	k, _ := table.OpKey(o)
	if live(old, t.now) && tooNew(old, t.d.o.Major) {
		return false, table.TooNew(t.op, k)
	}
	if text(old[attrWriteID]) == t.wid {
		return false, nil // this very call wrote it, so the whole transaction was done
	}
	if o.Add == nil {
		return false, table.Conflict(t.op, k)
	}
	if len(old) > 0 && !live(old, t.now) {
		err := t.purge(ctx, k)
		return err == nil, err
	}
	_, err = t.whyNot(*o.Add, old)
	return false, err
}
