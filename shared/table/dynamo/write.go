package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/table"
)

// maxPurges is how often one call removes an expired item from its way before it gives up as Retryable.
const maxPurges = 4

var errExpiredInTheWay = errors.New("expired items kept coming back")

// refused gives the item that failed the condition of a single write.
func refused(err error) (attrs, bool) {
	var c *types.ConditionalCheckFailedException
	if !errors.As(err, &c) {
		return nil, false
	}
	return c.Item, true
}

// fill completes an item for writing.
func (c *call) fill(it table.Item, ifVersion int64) table.Item {
	it.WriteID, it.Version = c.wid, c.version
	if ifVersion > 0 {
		it.Version = ifVersion + 1
	}
	if it.V == 0 {
		it.V = table.Major
	}
	return it
}

// Put implements table.Table.
func (d *DB) Put(ctx context.Context, it table.Item, ifVersion int64) (int64, error) {
	const op = "dynamo.Put"
	if err := table.CheckIf(op, ifVersion); err != nil {
		return 0, err
	}
	if err := table.CheckItem(op, it, d.o.Major); err != nil {
		return 0, err
	}
	c, err := d.newCall(ctx, op)
	if err != nil {
		return 0, err
	}
	it = c.fill(it, ifVersion)
	e := c.expr()
	cond := e.holds(ifVersion)
	out, err := d.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &d.name, Item: encode(it), ConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
	})
	if err == nil {
		d.countOne(true, out.ConsumedCapacity)
		return it.Version, nil
	}
	d.count(true)
	if old, ok := refused(err); ok {
		return c.ours(it.Key, old)
	}
	return 0, classify(op, err, true)
}

// ours says why a Put was refused: by this very call having written the item already, which is success, or by another.
func (c *call) ours(k table.Key, old attrs) (int64, error) {
	if !live(old, c.now) {
		return 0, table.Conflict(c.op, k)
	}
	if tooNew(old, c.d.o.Major) {
		return 0, table.TooNew(c.op, k)
	}
	if text(old[attrWriteID]) != c.wid {
		return 0, table.Conflict(c.op, k)
	}
	v, err := number(old, attrVersion)
	if err != nil {
		return 0, classify(c.op, err, true)
	}
	return v, nil
}

// Delete implements table.Table.
func (d *DB) Delete(ctx context.Context, k table.Key, ifVersion int64) error {
	const op = "dynamo.Delete"
	if err := table.CheckIf(op, ifVersion); err != nil {
		return err
	}
	if err := table.CheckKey(op, k); err != nil {
		return err
	}
	c, err := d.newCall(ctx, op)
	if err != nil {
		return err
	}
	e := c.expr()
	cond := e.mayDelete(ifVersion)
	out, err := d.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &d.name, Key: keyOf(k), ConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
	})
	if err == nil {
		d.countOne(true, out.ConsumedCapacity)
		return nil
	}
	d.count(true)
	if old, ok := refused(err); ok {
		if tooNew(old, d.o.Major) {
			return table.TooNew(op, k)
		}
		return table.Conflict(op, k)
	}
	return classify(op, err, true)
}

// Add implements table.Table.
func (d *DB) Add(ctx context.Context, a table.Add) (int64, error) {
	const op = "dynamo.Add"
	if err := table.CheckAdd(op, a); err != nil {
		return 0, err
	}
	c, err := d.newCall(ctx, op)
	if err != nil {
		return 0, err
	}
	e := c.expr()
	update, cond := e.add(a, c.wid, c.version)
	in := &dynamodb.UpdateItemInput{
		TableName: &d.name, Key: keyOf(a.Key), UpdateExpression: &update, ConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValues: types.ReturnValueUpdatedNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
	}
	for range maxPurges {
		out, err := d.client.UpdateItem(ctx, in)
		if err == nil {
			d.countOne(true, out.ConsumedCapacity)
			n, err := number(out.Attributes, counter+a.Field)
			return n, classify(op, err, true)
		}
		d.count(true)
		old, ok := refused(err)
		if !ok {
			return 0, classify(op, err, true)
		}
		if len(old) > 0 && !live(old, c.now) {
			if err := c.purge(ctx, a.Key); err != nil {
				return 0, err
			}
			continue
		}
		return c.whyNot(a, old)
	}
	return 0, &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: errExpiredInTheWay}
}

// whyNot says why an Add was refused by an item that is there (or by none): it was added already by this very call,
// which is success, or a rule forbids it.
func (c *call) whyNot(a table.Add, old attrs) (int64, error) {
	if tooNew(old, c.d.o.Major) {
		return 0, table.TooNew(c.op, a.Key)
	}
	var was int64
	if old[counter+a.Field] != nil {
		var err error
		if was, err = number(old, counter+a.Field); err != nil {
			return 0, classify(c.op, err, true)
		}
	}
	if text(old[attrWriteID]) == c.wid {
		return was, nil
	}
	if _, hi := table.AddRange(a); was > hi {
		return 0, table.OverCount(c.op, a.Key)
	}
	return 0, table.BelowFloor(c.op, a.Key)
}

// purge deletes an item that has expired. Since an expired item is absent, this has no effect that anybody can see,
// and may be done at any time. It makes room for an Add, which must not count on from the old value.
func (c *call) purge(ctx context.Context, k table.Key) error {
	e := c.expr()
	cond := e.n(AttrExpires) + " <= " + e.v("now", num(e.now))
	_, err := c.d.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &c.d.name, Key: keyOf(k), ConditionExpression: &cond,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values})
	c.d.count(true)
	if _, ok := refused(err); ok || err == nil {
		return nil
	}
	return classify(c.op, err, false)
}
