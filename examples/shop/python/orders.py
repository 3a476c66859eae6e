"""apps.orders.tasks: an order's way from placed to paid and confirmed. Every step may run twice: state and effect move in one transaction."""
import datetime
import os
import time

import notifications
import store
from client import shop
from trail import note


class BankTimeout(Exception):
    """The bank does not answer. The money may have moved or not; asking again is safe."""


class NotPaid(Exception):
    pass


class NotFound(Exception):
    pass


again = {"autoretry_for": (BankTimeout, *store.AWAY), "max_retries": 5, "retry_backoff": 1, "retry_backoff_max": 600}


@shop.task(name="apps.orders.tasks.process_order", soft_time_limit=60, **again)
def process_order(order_id):
    """Goes on from wherever the order stands."""
    reserve(order_id)
    order = read(order_id)
    if order["state"] == "reserved":
        pay(order_id, charge(order))
        order = read(order_id)
    if order["state"] == "paid" and order["confirmed"] is None:
        send_order_confirmation.delay(order_id=order_id)
    receipt = {"order_id": order_id, "state": order["state"], "total": money(order["total"])}
    return {**receipt, "payment": order["payment"]} if order["payment"] else receipt


@shop.task(name="apps.orders.tasks.send_order_confirmation", **again)
def send_order_confirmation(order_id):
    order = read(order_id)
    if order["state"] != "paid":
        raise NotPaid(f"confirm order {order_id}, which is {order['state']}: the order is not paid")
    if order["confirmed"] is None:
        notifications.send_mail.delay(
            key=f"order-{order_id}-confirmation", to=order["customer"], subject=f"Your order {order_id}",
            body=f"Thank you! We have received {money(order['total'])} for {order['quantity']} × {order['sku']} (payment {order['payment']}).\n")
        with store.change() as db:
            if db.execute("UPDATE orders SET confirmed = ? WHERE id = ? AND confirmed IS NULL", (int(time.time()), order_id)).rowcount:
                note(db, "order.confirm", f"order/{order_id}", "confirmed")
    return {"order_id": order_id, "mail_to": order["customer"]}


def read(order_id):
    order = store.row("SELECT * FROM orders WHERE id = ?", order_id)
    if order is None:
        raise NotFound(f"order {order_id}: not found")
    return order


def reserve(order_id):
    """Takes the goods of a placed order off the shelf, or finds that it is sold out."""
    with store.change() as db:
        if not db.execute("UPDATE orders SET state = 'reserved' WHERE id = ? AND state = 'placed'", (order_id,)).rowcount:
            return  # further already
        sku, quantity = db.execute("SELECT sku, quantity FROM orders WHERE id = ?", (order_id,)).fetchone()
        if db.execute("UPDATE stock SET on_hand = on_hand - ? WHERE sku = ? AND on_hand >= ?", (quantity, sku, quantity)).rowcount:
            note(db, "order.reserve", f"order/{order_id}", "reserved", sku=sku, quantity=quantity)
        else:
            db.execute("UPDATE orders SET state = 'sold_out' WHERE id = ?", (order_id,))
            note(db, "order.sold_out", f"order/{order_id}", "sold_out")


asked = set()  # orders whose first answer this bank has lost


def charge(order):
    """The bank's side: each order is charged once, also when the answer of every fortieth is lost. (SHOP_BANK=steady loses none.)"""
    time.sleep(0.08)
    number, reference = order["id"], f"PAY-{order['id']:08d}"
    with store.change() as db:
        if db.execute("INSERT INTO charges (order_id, amount, reference) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                      (number, order["total"], reference)).rowcount:
            note(db, "bank.charge", f"order/{number}", reference, total=order["total"])
        else:
            reference = db.execute("SELECT reference FROM charges WHERE order_id = ?", (number,)).fetchone()[0]
    if number % 40 == 0 and number not in asked and os.environ.get("SHOP_BANK") != "steady":
        asked.add(number)
        raise BankTimeout(f"charge order {number}: the bank does not answer")
    asked.discard(number)
    return reference


def pay(order_id, reference):
    with store.change() as db:
        if db.execute("UPDATE orders SET state = 'paid', payment = ? WHERE id = ? AND state = 'reserved'", (reference, order_id)).rowcount:
            note(db, "order.pay", f"order/{order_id}", "paid", payment=reference)


def money(cents):
    return f"{cents // 100}.{cents % 100:02d}"


# The two by which guides show a rate limit and retries.

@shop.task(name="apps.orders.tasks.rate_limited_task", rate_limit="100/m")
def rate_limited_task():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


@shop.task(name="apps.orders.tasks.resilient_task", bind=True, autoretry_for=(ConnectionError,), max_retries=3, retry_backoff=1, retry_backoff_max=600)
def resilient_task(self, failing=0):
    if self.request.retries < failing:
        raise ConnectionError(f"attempt {self.request.retries + 1}: the service is away")
    return self.request.retries + 1
