"""Asking a model through a server that speaks OpenAI's protocol: llama.cpp's, ollama, vLLM."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from doctor.evaluate.answers import finished
from doctor.evaluate.config import Config
from doctor.evaluate.extras import needed
from doctor.evaluate.ledger import Ledger, key
from doctor.evaluate.model import Answer, Asked, Sample
from doctor.evaluate.prompt import MESSAGES, Prompts, conversation
from doctor.evaluate.words import short
from doctor.settings import UsageError

RETRIES = 2
"""How often a request is sent again by itself."""
REFUSED = 8
"""Failures in a row after which nothing more is asked."""
NOT_ITS_PROTOCOL = (ValueError, KeyError, IndexError, TypeError, AttributeError)
"""What reading an answer raises that is no JSON, or not of the form that OpenAI's protocol gives it."""

Progress = Callable[[int, int, int], None]
"""Told how many answers there are, of how many, and how many tokens have been written."""


def address(model: str) -> str:
    """The base URL of a server, `/v1` added where only its host is given."""
    parts = urlsplit(model)
    return model.rstrip("/") if parts.path.strip("/") else f"{model.rstrip('/')}/v1"


def ask(
    config: Config,
    ledger: Ledger,
    progress: Progress,
    url: str,
    content: str = "",
    more: Mapping[str, Any] | None = None,
    prompts: Prompts | None = None,
) -> Asked:
    """The answer of every sample and seed, the model's name at the server, and how many answers were there already.

    Each answer is written to the ledger as it comes.  Raises UsageError where the server cannot be reached, refuses, or
    goes away; what it has answered until then is kept.  A server of our own has a `url` that changes; `content` then
    names what it serves.  `more` goes into every request.  With `prompts` it is sent token ids, else messages.
    """
    return asyncio.run(_Asking(config, ledger, progress, url, content, more or {}, prompts).all())


class _Asking:
    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        progress: Progress,
        url: str,
        content: str,
        more: Mapping[str, Any],
        prompts: Prompts | None,
    ) -> None:
        self.config, self.ledger, self.progress = config, ledger, progress
        self.openai: Any = needed("openai")
        self.url, self.content, self.more, self.prompts = url, content, more, prompts
        self.row = self.done = self.tokens = 0
        self.total = len(config.samples) * len(config.generate.seeds)

    async def all(self) -> Asked:
        async with self.openai.AsyncOpenAI(
            base_url=self.url,
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            timeout=self.config.generate.timeout,
            max_retries=RETRIES,
        ) as self.client:
            name, model = await self._model()
            wanted = [(sample, seed) for sample in self.config.samples for seed in self.config.generate.seeds]
            keys = [key({**self._served(model), **self._request(name, *one)}) for one in wanted]
            known = [name in self.ledger.known for name in keys]
            self.done = sum(known)
            todo = [(k, *one) for k, one, there in zip(keys, wanted, known, strict=True) if not there]
            failed = await self._rest(name, todo)
        answers = [
            replace(self.ledger.known[k], id=sample.id) if k in self.ledger.known else failed[k]
            for k, (sample, _) in zip(keys, wanted, strict=True)
        ]
        how = self.prompts.how if self.prompts else MESSAGES
        return Asked(tuple(answers), name, sum(known), {"url": self.url, "model": name, "prompt": how})

    async def _model(self) -> tuple[str, Any]:
        """The model's name, and all that the server says of it: answers of another model are not taken for its own."""
        cure = f"start the server, or correct 'model' in {self.config.path}"
        try:
            told = await self.client.get("/models", cast_to=object)
            offered = {str(one["id"]): {**one, "created": None} for one in told["data"]}
        except self.openai.OpenAIError as error:
            raise UsageError(f"{self.url}: {self._why(error)}; {cure}") from error
        except NOT_ITS_PROTOCOL as error:
            raise UsageError(f"{self.url}/models is no list of models in OpenAI's protocol: {cure}") from error
        named = self.config.name or next(iter(offered), "")
        if named not in offered:
            there = ", ".join(offered) or "none"
            raise UsageError(f"{self.url} offers no model {named!r}; it has {there}: set 'name' in {self.config.path}")
        return named, offered[named]

    def _served(self, model: Any) -> dict[str, Any]:
        return {"content": self.content} if self.content else {"url": self.url, "offered": model}

    def _request(self, name: str, sample: Sample, seed: int) -> dict[str, Any]:
        generate = self.config.generate
        ids = list(self.prompts.by_id[sample.id].ids) if self.prompts else None
        return {
            "model": name,
            **({"messages": conversation(sample)} if ids is None else {"prompt": ids}),
            "max_tokens": generate.max_new_tokens,
            "temperature": generate.temperature,
            "seed": seed,
            **self.more,
        }

    async def _rest(self, name: str, todo: list[tuple[str, Sample, int]]) -> dict[str, Answer]:
        """Ask what is not known yet, so many at once; the answers that failed, with their reasons."""
        waiting = iter(todo)
        failed: dict[str, Answer] = {}
        self.progress(self.done, self.total, self.tokens)
        workers = [asyncio.create_task(self._work(name, waiting, failed)) for _ in range(self.config.generate.batch)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        return failed

    async def _work(self, name: str, waiting: Iterator[tuple[str, Sample, int]], failed: dict[str, Answer]) -> None:
        for k, sample, seed in waiting:
            if self.prompts and (why := self.prompts.by_id[sample.id].why):
                failed[k] = Answer(sample.id, None, seed=seed, reason=why)
                continue
            try:
                answer = await self._answer(name, sample, seed)
            except self.openai.OpenAIError as error:
                failed[k] = Answer(sample.id, None, seed=seed, reason=self._why(error))
                self._failed(failed[k].reason, error)
                continue
            if answer.text is None:
                failed[k] = answer
                self._failed(answer.reason)
                continue
            self.row = 0
            self.ledger.add(k, answer)
            self.done += 1
            self.tokens += answer.tokens or 0
            self.progress(self.done, self.total, self.tokens)

    async def _answer(self, name: str, sample: Sample, seed: int) -> Answer:
        request, prompts = self._request(name, sample, seed), self.prompts
        # Plain data: the library's own classes for it cost as much again as the request, on the server's cores.
        asked = self.client.post("/completions" if prompts else "/chat/completions", body=request, cast_to=object)
        try:
            answered = await asked
        except ValueError as error:  # no JSON, or no UTF-8
            return _no_completion(sample, seed, error)
        try:
            [choice, *_] = answered["choices"]
            text = (choice["text"] if prompts else choice["message"].get("content")) or ""
            if not isinstance(text, str):
                raise TypeError(f"{text!r} is no text")
            used = answered.get("usage") or {}
            finish = finished(choice.get("finish_reason"))
        except NOT_ITS_PROTOCOL:
            return _no_completion(sample, seed, answered)
        return Answer(
            sample.id,
            prompts.ended(text) if prompts and finish == "stop" else text,
            finish,
            seed,
            tokens=used.get("completion_tokens"),
            prompt_tokens=used.get("prompt_tokens"),
            prompt=prompts.by_id[sample.id].digest if prompts else "",
        )

    def _failed(self, why: str, error: Exception | None = None) -> None:
        """Give up where the server is gone or lets nobody in; a single answer that fails is a sample unscored."""
        self.row += 1
        away = isinstance(error, self.openai.APIConnectionError) and not isinstance(error, self.openai.APITimeoutError)
        refusals = (self.openai.AuthenticationError, self.openai.PermissionDeniedError, self.openai.NotFoundError)
        closed = isinstance(error, refusals)
        if away or closed or self.row >= max(REFUSED, self.config.generate.batch):
            raise UsageError(
                f"{self.url}: {why}; {self.done} of {self.total} answers are kept in {self.ledger.path}, "
                "and the same command goes on from there"
            ) from error

    def _why(self, error: Exception) -> str:
        """What went wrong, in a line, with the server's own words."""
        if isinstance(error, self.openai.APITimeoutError):
            return f"gave no answer within {self.config.generate.timeout:g} s"
        if isinstance(error, self.openai.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            return f"answered {error.status_code}: {body.get('message') or error.message}"
        return f"cannot be reached ({error.__cause__ or error})"


def _no_completion(sample: Sample, seed: int, said: object) -> Answer:
    return Answer(sample.id, None, seed=seed, reason=f"answered no completion: {short(str(said), 200)}")
